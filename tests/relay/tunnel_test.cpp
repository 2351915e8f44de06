// Both proxies together.
#include <doctest/doctest.h>

#include <future>
#include <sstream>

#include "tests/support/proxies.hpp"
#include "tests/unit/captured.hpp"

using namespace std::chrono_literals;
using namespace tunnel;
using namespace tunnel::test;

namespace {

struct Tunnel {
    Tunnel()
        : remote(remote_options()),
          origin(origin_options(remote.proxy().control_endpoint(), origin_server.endpoint()),
                 nullptr)
    {
        CHECK(eventually([&] {
            return origin.on_its_thread([](OriginProxy& proxy) { return proxy.logged_in(); });
        }));
    }

    Stream visit() { return Stream::connect(remote.proxy().outside_endpoint()); }

    std::size_t visitors()
    {
        return remote.on_its_thread([](RemoteProxy& proxy) { return proxy.visitors(); }) +
               origin.on_its_thread([](OriginProxy& proxy) { return proxy.visitors(); });
    }

    std::size_t parked()
    {
        return remote.on_its_thread([](RemoteProxy& proxy) { return proxy.parked(); });
    }

    Server origin_server;
    RunningRemote remote;
    RunningOrigin origin;
};

} // namespace

TEST_CASE("a visitor may finish sending and still receive the answer")
{
    Tunnel tunnel;
    Stream visitor = tunnel.visit();
    visitor.send("ping");
    visitor.finish();
    Stream server = tunnel.origin_server.accept();
    CHECK(server.receive_all() == "ping");
    server.send("pong");
    server.finish();
    CHECK(visitor.receive_all() == "pong");
}

TEST_CASE("an origin server that speaks first is heard at once")
{
    Tunnel tunnel;
    Stream visitor = tunnel.visit();
    Stream server = tunnel.origin_server.accept();
    server.send("220 ready\r\n");
    CHECK(visitor.receive(11) == "220 ready\r\n");
}

TEST_CASE("a single byte is passed on at once, either way, on a connection of many bytes")
{
    Tunnel tunnel;
    Stream visitor = tunnel.visit();
    Stream server = tunnel.origin_server.accept();
    const auto began = Clock::now();
    for (int i = 0; i < 200; ++i) {
        // Two writes without an answer between them are what Nagle's algorithm would hold back.
        visitor.send("a");
        visitor.send("b");
        CHECK(server.receive(2) == "ab");
        server.send("c");
        server.send("d");
        CHECK(visitor.receive(2) == "cd");
    }
    // One delayed acknowledgement of 40 ms per round would be 8 s.
    CHECK(Clock::now() - began < 4s);
}

TEST_CASE("a reset on one side becomes a reset on the other")
{
    Tunnel tunnel;
    Stream visitor = tunnel.visit();
    visitor.send("x");
    Stream server = tunnel.origin_server.accept();
    CHECK(server.receive(1) == "x");
    SUBCASE("of the visitor")
    {
        visitor.reset();
        CHECK(server.ending() == Ending::reset);
    }
    SUBCASE("of the origin server")
    {
        server.reset();
        CHECK(visitor.ending() == Ending::reset);
    }
    CHECK(eventually([&] { return tunnel.visitors() == 0; }));
}

TEST_CASE("a hundred visitors at once each get their own bytes back")
{
    Tunnel tunnel;
    auto echo = std::async(std::launch::async, [&] {
        std::vector<std::future<void>> echoes;
        for (int i = 0; i < 100; ++i)
            echoes.push_back(
                std::async(std::launch::async, [server = tunnel.origin_server.accept()]() mutable {
                    server.send(server.receive_all());
                    server.finish();
                }));
    });
    std::vector<Stream> visitors;
    for (int i = 0; i < 100; ++i)
        visitors.push_back(tunnel.visit());
    for (std::uint32_t i = 0; i < 100; ++i) {
        visitors[i].send(random_text(20'000, i));
        visitors[i].finish();
    }
    for (std::uint32_t i = 0; i < 100; ++i)
        CHECK((visitors[i].receive_all() == random_text(20'000, i)));
    echo.get();
}

TEST_CASE("after many visitors no descriptor is left behind")
{
    Tunnel tunnel;
    CHECK(eventually([&] { return tunnel.parked() == 1; }));
    const std::size_t before = open_descriptors();
    for (int i = 0; i < 300; ++i) {
        Stream visitor = tunnel.visit();
        Stream server = tunnel.origin_server.accept();
        switch (i % 3) {
        case 0:
            visitor.reset();
            break;
        case 1:
            server.reset();
            break;
        default:
            visitor.finish();
            server.finish();
            CHECK(visitor.receive_all().empty());
        }
    }
    CHECK(eventually([&] { return tunnel.visitors() == 0; }));
    CHECK(eventually([&] { return open_descriptors() == before; }));
}

TEST_CASE("stopping either proxy in the middle of a transfer resets both ends")
{
    Tunnel tunnel;
    Stream visitor = tunnel.visit();
    visitor.send("half a");
    Stream server = tunnel.origin_server.accept();
    CHECK(server.receive(6) == "half a");
    SUBCASE("the remote proxy")
    {
        tunnel.remote.on_its_thread([](RemoteProxy& proxy) {
            proxy.stop_now();
            return true;
        });
    }
    SUBCASE("the origin proxy")
    {
        tunnel.origin.on_its_thread([](OriginProxy& proxy) {
            proxy.stop_now();
            return true;
        });
    }
    CHECK(visitor.ending() == Ending::reset);
    CHECK(server.ending() == Ending::reset);
}

TEST_CASE("an origin proxy that is rejected tells its user why, in the words of the remote proxy")
{
    constexpr int tries = 20;
    const std::string log = log_of([&] {
        const Tunnel tunnel;
        OriginOptions options = origin_options(tunnel.remote.proxy().control_endpoint(),
                                               tunnel.origin_server.endpoint());
        options.max_retries = tries - 1;
        options.slowest_retry = options.first_retry;
        const RunningOrigin second(options, nullptr);
        eventually([&] { return second.ended(); });
    });
    std::istringstream lines(log);
    int rejections = 0;
    for (std::string line; std::getline(lines, line);) {
        if (line.find("cannot log in") == std::string::npos)
            continue;
        CAPTURE(line);
        CHECK(line.find(R"(code=in_use reason="service \"default\" (127.0.0.1:)") !=
              std::string::npos);
        CHECK(line.find(" is in use by origin at 127.0.0.1:") != std::string::npos);
        ++rejections;
    }
    // The first and the last; those that say the same in between are details.
    CHECK(rejections >= 2);
    CHECK(rejections < tries);
}
