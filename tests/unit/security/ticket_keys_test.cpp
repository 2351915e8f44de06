// Sessions that are resumed, and those that must not be.
#include <doctest/doctest.h>

#include "common/security/ticket_keys.hpp"
#include "tests/support/visitor.hpp"
#include "tests/unit/io.hpp"

using namespace std::chrono_literals;
using namespace tunnel;
using namespace tunnel::test;

namespace {

// A front that visitors come to again.
struct Front {
    explicit Front(bool only_tls_1_2) : tls_1_2(only_tls_1_2) {}

    asio::io_context io;
    VisitorHandshakes handshakes{io, 1};
    CertificateStore store;
    bool tls_1_2;

    struct Seen {
        std::shared_ptr<ssl_session_st> session;
        bool resumed;
    };

    // Comes with what was seen before; a byte has to pass, for tickets come before it in TLS 1.3.
    Seen come(const std::shared_ptr<const ServedCertificates>& served, const std::string& name,
              std::shared_ptr<ssl_session_st> session = nullptr)
    {
        Met met =
            meet(io, handshakes, served,
                 {.only_tls_1_2 = tls_1_2, .server_name = name, .session = std::move(session)});
        CAPTURE(met.visitor_words);
        REQUIRE(met.good());
        REQUIRE(met.result.channel.send(std::as_bytes(std::span("x", 1))) == 1);
        REQUIRE(met.visitor->receive(1) == "x");
        return {met.visitor->session(), met.visitor->with_key()};
    }
};

} // namespace

TEST_CASE("a session is resumed at its name, also after a reload, and at no other name")
{
    for (const bool tls_1_2 : {false, true}) {
        CAPTURE(tls_1_2);
        Front front(tls_1_2);
        front.store.add("wildcard", "DNS:*.example.com,DNS:example.com");
        front.store.add("other", "DNS:other.example.com");
        auto served = front.store.load();
        const auto first = front.come(served, "app.example.com");
        CHECK_FALSE(first.resumed);
        CHECK(front.come(served, "app.example.com", first.session).resumed);
        for (const char* const other : {"www.example.com", "example.com", "other.example.com"}) {
            CAPTURE(other);
            CHECK_FALSE(front.come(served, other, first.session).resumed);
        }
        served = front.store.load();
        CHECK(front.come(served, "app.example.com", first.session).resumed);
        front.store.tickets = std::make_shared<TicketKeys>();
        CHECK_FALSE(front.come(front.store.load(), "app.example.com", first.session).resumed);
    }
}

TEST_CASE("a ticket is good for an hour, renewed for another, and not good after that")
{
    Clock::Steered clock;
    for (const bool tls_1_2 : {false, true}) {
        CAPTURE(tls_1_2);
        Front front(tls_1_2);
        front.store.add("app", "DNS:app.example.com");
        const auto served = front.store.load();
        const auto come = [&](const std::shared_ptr<ssl_session_st>& with) {
            return front.come(served, "app.example.com", with);
        };
        const auto first = come(nullptr);
        clock.advance(59min);
        const auto second = come(first.session);
        CHECK(second.resumed);
        clock.advance(30min);
        const auto third = come(first.session); // with the older key: it gets a new ticket
        CHECK(third.resumed);
        clock.advance(40min);
        CHECK_FALSE(come(first.session).resumed);
        CHECK(come(third.session).resumed);
        clock.advance(3h);
        CHECK_FALSE(come(third.session).resumed);
    }
}

TEST_CASE("keys take turns by the clock, and each is found for two hours")
{
    Clock::Steered clock;
    TicketKeys keys;
    const auto first = keys.newest();
    CHECK(keys.newest().name == first.name);
    REQUIRE(keys.find(first.name).has_value());
    CHECK_FALSE(keys.find(first.name)->is_old);
    CHECK(keys.find(first.name)->key.encryption.bytes == first.encryption.bytes);
    CHECK_FALSE(keys.find(TicketKeys::Name{}).has_value());
    clock.advance(1h);
    REQUIRE(keys.find(first.name).has_value()); // also when nobody has come meanwhile
    CHECK(keys.find(first.name)->is_old);
    const auto second = keys.newest();
    CHECK(second.name != first.name);
    CHECK(second.encryption.bytes != first.encryption.bytes);
    CHECK(second.authentication.bytes != first.authentication.bytes);
    clock.advance(59min);
    CHECK(keys.find(first.name).has_value());
    clock.advance(1min);
    CHECK_FALSE(keys.find(first.name).has_value());
    CHECK(keys.find(second.name)->is_old);
    clock.advance(2h);
    CHECK_FALSE(keys.find(second.name).has_value());
}
