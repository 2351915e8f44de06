// Visitors who shake hands, well or not.
#include <doctest/doctest.h>

#include <future>

#include <sys/socket.h>

#include "common/base/error.hpp"
#include "tests/support/joined.hpp"
#include "tests/support/visitor.hpp"
#include "tests/unit/io.hpp"

using namespace std::chrono_literals;
using namespace std::string_view_literals;
using namespace tunnel;
using namespace tunnel::test;

namespace {

constexpr const char* app = "app.example.com";

std::shared_ptr<const ServedCertificates> served_app()
{
    const CertificateStore store;
    store.add("app", "DNS:app.example.com");
    return store.load();
}

// A socket as the relay wants it, with a visitor at the other end.
struct Came {
    Connected pair = connected();

    Came() { prepare_for_relay(pair.there.descriptor()); }

    Stream& visitor() { return pair.here; }

    Fd socket() { return pair.there.release(); }
};

} // namespace

TEST_CASE("bytes pass both ways after the handshake, in TLS 1.2 and 1.3")
{
    for (const bool tls_1_2 : {false, true}) {
        CAPTURE(tls_1_2);
        Met met = meet(served_app(), {.only_tls_1_2 = tls_1_2, .server_name = app});
        CAPTURE(met.visitor_words);
        REQUIRE(met.good());
        CHECK_FALSE(met.result.error);
        met.visitor->send("question");
        std::string came(8, '\0');
        REQUIRE(eventually([&] {
            return met.result.channel.receive(std::as_writable_bytes(std::span(came))) == 8;
        }));
        CHECK(came == "question");
        CHECK(met.result.channel.send(std::as_bytes(std::span("answer"sv))) == 6);
        CHECK(met.visitor->receive(6) == "answer");
    }
}

TEST_CASE("what a visitor sends together with the last of its handshake is not lost")
{
    asio::io_context io;
    VisitorHandshakes handshakes(io, 1);
    const auto served = served_app();
    for (int round = 0; round < 20; ++round) {
        Came came;
        auto visiting = std::async(std::launch::async, [&] {
            TlsStream visitor(std::move(came.visitor()), TlsEnd::dials, {.server_name = app});
            visitor.send("at once");
            return visitor;
        });
        VisitorHandshakes::Result result;
        handshakes.begin(came.socket(), served, app, Clock::now() + 10s,
                         [&](VisitorHandshakes::Result its) { result = std::move(its); });
        TlsStream visitor = visiting.get();
        REQUIRE(run_until(io, [&] { return result.channel.is_open(); }));
        std::string text(7, '\0');
        REQUIRE(eventually(
            [&] { return result.channel.receive(std::as_writable_bytes(std::span(text))) == 7; }));
        CHECK(text == "at once");
    }
}

TEST_CASE("of the protocols only HTTP/1.1 is spoken, and who speaks others alone is told so")
{
    const auto served = served_app();
    for (const bool tls_1_2 : {false, true}) {
        CAPTURE(tls_1_2);
        const auto with = [&](std::string_view protocols) {
            return meet(served,
                        {.only_tls_1_2 = tls_1_2, .server_name = app, .protocols = protocols});
        };
        CHECK(with("").visitor->protocol().empty());
        CHECK(with("\x02h2\x08http/1.1").visitor->protocol() == "http/1.1");
        const Met refused = with("\x02h2");
        CHECK(refused.visitor_words == "handshake: tlsv1 alert no application protocol"); // 120
        CHECK(refused.result.error == make_error_code(Errc::handshake_failed));
        CHECK(refused.result.why == "no application protocol");
        CHECK_FALSE(refused.result.channel.is_open());
    }
}

TEST_CASE("TLS before 1.2 is refused by an alert")
{
    const Met met = meet(served_app(), {.only_tls_1_1 = true, .server_name = app});
    CHECK(met.visitor_words == "handshake: tlsv1 alert protocol version");
    CHECK(met.result.why == "unsupported protocol");
}

TEST_CASE("a second hello is asked for where the first has a key of no use")
{
    const Met met = meet(served_app(), {.groups = "P-521:P-384", .server_name = app});
    CAPTURE(met.visitor_words);
    CHECK(met.good());
}

TEST_CASE("a visitor of a name without a certificate is turned away")
{
    const Met met = meet(served_app(), {.server_name = "other.example.com"});
    CHECK_FALSE(met.visitor.has_value());
    CHECK(met.result.error == make_error_code(Errc::handshake_failed));
}

TEST_CASE("a silent visitor is reset at the deadline, and one that leaves is told apart")
{
    asio::io_context io;
    VisitorHandshakes handshakes(io, 1);
    const auto served = served_app();
    Came silent;
    Came leaves;
    Came resets;
    Came speaks_plainly;
    leaves.visitor().send("\x16\x03\x01");
    leaves.visitor().finish();
    resets.visitor().reset();
    speaks_plainly.visitor().send("GET / HTTP/1.1\r\n\r\n");
    std::array<std::error_code, 4> errors;
    std::size_t ended = 0;
    const auto begin = [&](Came& came, std::size_t number, Clock::duration limit) {
        handshakes.begin(came.socket(), served, app, Clock::now() + limit,
                         [&errors, &ended, number](VisitorHandshakes::Result result) {
                             errors[number] = result.error;
                             ++ended;
                         });
    };
    begin(silent, 0, 20ms);
    begin(leaves, 1, 10s);
    begin(resets, 2, 10s);
    begin(speaks_plainly, 3, 10s);
    CHECK(handshakes.size() == 4);
    REQUIRE(run_until(io, [&] { return ended == 4; }));
    CHECK(handshakes.size() == 0);
    CHECK(errors[0] == asio::error::timed_out);
    CHECK(errors[1] == asio::error::eof);
    CHECK(errors[2] == std::errc::connection_reset);
    CHECK(errors[3] == make_error_code(Errc::handshake_failed));
    CHECK(silent.visitor().ending() == Ending::reset);
}

TEST_CASE("a visitor that has been told by an alert sees the end behind it, no reset")
{
    asio::io_context io;
    VisitorHandshakes handshakes(io, 1);
    Came came;
    came.visitor().send("\x16\x03\x01\x00\x05\x01\x00\x00\x01\xff"sv); // a hello of one byte
    bool done = false;
    handshakes.begin(came.socket(), served_app(), app, Clock::now() + 10s,
                     [&](const VisitorHandshakes::Result&) { done = true; });
    REQUIRE(run_until(io, [&] { return done; }));
    CHECK(came.visitor().receive_all().substr(0, 3) == "\x15\x03\x03"); // or throws
}

TEST_CASE("a hello that is larger than any is refused before the library takes memory for it")
{
    const auto served = served_app();
    asio::io_context io;
    VisitorHandshakes handshakes(io, 1);
    Came came;
    came.visitor().send("\x16\x03\x01\x40\x00\x01\x01\x00\x00"sv); // of 64 KiB
    VisitorHandshakes::Result result;
    bool done = false;
    handshakes.begin(came.socket(), served, app, Clock::now() + 10s,
                     [&](VisitorHandshakes::Result its) {
                         result = std::move(its);
                         done = true;
                     });
    REQUIRE(run_until(io, [&] { return done; }));
    CHECK(result.why == "a TLS hello of more than 16 KiB");
}

TEST_CASE("stop() ends a hundred handshakes that are under way, and each is told once")
{
    for (const unsigned threads : {1U, 2U}) {
        asio::io_context io;
        const std::size_t before = open_descriptors();
        std::vector<Came> came(100);
        int aborted = 0;
        {
            VisitorHandshakes handshakes(io, threads);
            const auto served = served_app();
            for (Came& each : came)
                handshakes.begin(each.socket(), served, app, Clock::now() + 10s,
                                 [&](const VisitorHandshakes::Result& result) {
                                     aborted += result.error == asio::error::operation_aborted;
                                     CHECK_FALSE(result.channel.is_open());
                                 });
            CHECK(handshakes.size() == 100);
            handshakes.stop();
            CHECK(aborted == 0); // not from within
            Came late;
            handshakes.begin(late.socket(), served, app, Clock::now() + 10s,
                             [&](const VisitorHandshakes::Result& result) {
                                 aborted += result.error == asio::error::operation_aborted;
                             });
        }
        CHECK(runs_dry(io));
        CHECK(aborted == 101);
        for (Came& each : came)
            CHECK(each.visitor().ending() == Ending::reset);
        came.clear();
        CHECK(open_descriptors() == before);
    }
}

TEST_CASE("two threads shake hands with a crowd, some of whom say nothing")
{
    asio::io_context io;
    VisitorHandshakes handshakes(io, 2);
    const CertificateStore store;
    store.add("app", "DNS:app.example.com");
    std::vector<Came> silent(50);
    int bad = 0;
    const auto served = store.load();
    for (Came& each : silent)
        handshakes.begin(each.socket(), served, app, Clock::now() + 1h,
                         [&](const VisitorHandshakes::Result&) { ++bad; });
    std::vector<Came> came(60);
    std::vector<std::future<bool>> visiting;
    int good = 0;
    for (std::size_t i = 0; i < came.size(); ++i) {
        visiting.push_back(std::async(std::launch::async, [&stream = came[i].visitor(), i] {
            TlsStream visitor(
                std::move(stream), TlsEnd::dials,
                {.only_tls_1_2 = i % 2 == 0, .groups = "X25519:P-256", .server_name = app});
            return visitor.receive(5) == "hello";
        }));
        // As if a reload came between them.
        handshakes.begin(came[i].socket(), i % 7 == 0 ? store.load() : served, app,
                         Clock::now() + 10s, [&](VisitorHandshakes::Result result) {
                             good += result.channel.is_open();
                             result.channel.send(std::as_bytes(std::span("hello"sv)));
                             result.channel.end();
                             result.channel.release().release(); // closed without a reset
                         });
    }
    CHECK(run_until(io, [&] { return handshakes.size() == silent.size(); }));
    for (auto& each : visiting)
        CHECK(each.get());
    CHECK(good == 60);
    handshakes.stop();
    CHECK(runs_dry(io));
    CHECK(bad == 50);
}
