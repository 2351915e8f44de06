// Pairs whose first channel is a visitor who came over TLS, played by OpenSSL itself.
#include <doctest/doctest.h>

#include <future>

#include <sys/socket.h>

#include "common/transport/record_guard.hpp"
#include "tests/support/joined.hpp"
#include "tests/support/visitor.hpp"

using namespace std::chrono_literals;
using namespace tunnel;
using namespace tunnel::test;

namespace {

// visitor <-> (TLS, first), (second, plain) <-> origin
struct Visited {
    Visited(Relay& relay, bool tls_1_2) : Visited(relay, came(tls_1_2)) {}

    Visited(Relay& relay, Met met) : visitor(std::move(*met.visitor)), origin(Fd())
    {
        Connected pair = connected();
        prepare_for_relay(pair.there.descriptor());
        origin = std::move(pair.here);
        const auto promise = std::make_shared<std::promise<Flow>>();
        flow = promise->get_future();
        relay.hand_over(std::move(met.result.channel), Channel(pair.there.release()),
                        [promise](Flow& its) { promise->set_value(std::move(its)); });
    }

    static Met came(bool tls_1_2)
    {
        static const auto served = [] {
            const CertificateStore store;
            store.add("app", "DNS:app.example.com");
            return store.load();
        }();
        Met met = meet(served, {.only_tls_1_2 = tls_1_2, .server_name = "app.example.com"});
        CAPTURE(met.visitor_words);
        REQUIRE(met.good());
        return met;
    }

    Flow end()
    {
        REQUIRE(flow.wait_for(10s) == std::future_status::ready);
        return flow.get();
    }

    TlsStream visitor;
    Stream origin;
    std::future<Flow> flow;
};

} // namespace

TEST_CASE("a visitor of TLS 1.2 or 1.3 sends and receives at once, and either side may end first")
{
    Relay relay(plain_relay());
    for (const bool tls_1_2 : {true, false}) {
        for (const bool visitor_first : {true, false}) {
            for (const std::size_t size : {0U, 10U, 50'000U, 3'000'000U}) {
                CAPTURE(tls_1_2);
                CAPTURE(visitor_first);
                CAPTURE(size);
                Visited pair(relay, tls_1_2);
                const std::string up = random_text(size, 1);
                const std::string down = random_text(size, 2);
                const auto up_passes = [&] {
                    auto sending = std::async(std::launch::async, [&] {
                        pair.visitor.send(up);
                        pair.visitor.finish();
                    });
                    CHECK((pair.origin.receive_all() == up));
                    sending.get();
                };
                const auto down_passes = [&] {
                    auto sending = std::async(std::launch::async, [&] {
                        pair.origin.send(down);
                        pair.origin.finish();
                    });
                    CHECK((pair.visitor.receive_all() == down));
                    sending.get();
                };
                if (visitor_first)
                    up_passes();
                down_passes();
                if (!visitor_first)
                    up_passes();
                const Flow flow = pair.end();
                CHECK(flow.end == End::finished);
                CHECK(flow.first_to_second == size);
                CHECK(flow.second_to_first == size);
            }
        }
    }
}

TEST_CASE("questions and answers take turns")
{
    Relay relay(plain_relay());
    for (const bool tls_1_2 : {true, false}) {
        CAPTURE(tls_1_2);
        Visited pair(relay, tls_1_2);
        for (std::uint32_t round = 0; round < 200; ++round) {
            const std::string text = random_text(1 + 137 * round % 30'000, round);
            pair.visitor.send(text);
            REQUIRE((pair.origin.receive(text.size()) == text));
            pair.origin.send(text);
            REQUIRE((pair.visitor.receive(text.size()) == text));
        }
    }
}

TEST_CASE("a stream that is cut on one side is cut on the other, whatever way it is cut")
{
    Relay relay(plain_relay());
    for (const bool tls_1_2 : {true, false}) {
        CAPTURE(tls_1_2);
        {
            Visited pair(relay, tls_1_2);
            pair.visitor.send("half");
            CHECK(pair.origin.receive(4) == "half");
            pair.visitor.cut(); // without a word of TLS
            CHECK(pair.origin.ending() == Ending::reset);
            CHECK(pair.end().end == End::first_failed);
        }
        {
            Visited pair(relay, tls_1_2);
            pair.visitor.send("half");
            CHECK(pair.origin.receive(4) == "half");
            pair.visitor.reset();
            CHECK(pair.origin.ending() == Ending::reset);
            CHECK(pair.end().end == End::first_failed);
        }
        {
            Visited pair(relay, tls_1_2);
            pair.origin.send("half");
            CHECK(pair.visitor.receive(4) == "half");
            pair.origin.reset();
            CHECK(pair.visitor.ending() == Ending::reset);
            CHECK(pair.end().end == End::second_failed);
        }
    }
}

TEST_CASE("a visitor that wants another handshake is cut")
{
    Relay relay(plain_relay());
    Visited pair(relay, true);
    pair.visitor.send("before");
    CHECK(pair.origin.receive(6) == "before");
    CHECK_FALSE(pair.visitor.renegotiate());
    CHECK(pair.origin.ending() == Ending::reset);
    CHECK(pair.end().end == End::first_failed);
}

TEST_CASE("where keys cannot be renewed the stream goes on with those it has")
{
    for (const bool tls_1_2 : {true, false}) {
        CAPTURE(tls_1_2);
        Met met = Visited::came(tls_1_2);
        for (int round = 0; round < 3; ++round) {
            met.result.channel.tls().update_keys();
            CHECK(met.result.channel.send(std::as_bytes(std::span("text", 4))) == 4);
            CHECK(met.visitor->receive(4) == "text");
        }
    }
}
