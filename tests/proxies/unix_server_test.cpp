// Both proxies, and an origin server at a Unix socket.
#include <doctest/doctest.h>

#include <future>

#include "tests/support/joined.hpp"
#include "tests/support/proxies.hpp"
#include "tests/support/unix_server.hpp"

using namespace std::chrono_literals;
using namespace tunnel;
using namespace tunnel::test;

namespace {

struct Tunnel {
    explicit Tunnel(int queue = 1024, const std::function<void(OriginOptions&)>& change = {})
        : server(queue)
    {
        OriginOptions options = origin_options(remote.proxy().control_endpoint(), {});
        options.origin_server_address = server.address();
        if (change)
            change(options);
        origin.emplace(options, RemoteLink::OnReady());
        REQUIRE(eventually([this] {
            return origin->on_its_thread([](OriginProxy& proxy) { return proxy.logged_in(); });
        }));
    }

    Stream visit() const { return Stream::connect(remote.proxy().outside_endpoint()); }

    UnixServer server;
    RunningRemote remote{remote_options()};
    std::optional<RunningOrigin> origin;
};

} // namespace

TEST_CASE("a visitor talks to a server at a Unix socket, and either may finish first")
{
    for (const std::uint32_t parked : {0, 2}) {
        CAPTURE(parked);
        Tunnel tunnel(1024,
                      [parked](OriginOptions& options) { options.parked_connections = parked; });
        for (int i = 0; i < 5; ++i) {
            Stream visitor = tunnel.visit();
            Stream server = tunnel.server.accept();
            Stream& first = i % 2 == 0 ? visitor : server;
            Stream& second = i % 2 == 0 ? server : visitor;
            first.send("question");
            first.finish();
            CHECK(second.receive_all() == "question");
            second.send("answer");
            second.finish();
            CHECK(first.receive_all() == "answer");
        }
    }
}

TEST_CASE("megabytes pass unchanged to and from a Unix socket")
{
    Tunnel tunnel;
    Stream visitor = tunnel.visit();
    Stream server = tunnel.server.accept();
    const std::string up = random_text(16 << 20, 1);
    const std::string down = random_text(16 << 20, 2);
    auto sending_up = std::async(std::launch::async, [&] {
        send_in_pieces(visitor, up, 3);
        visitor.finish();
    });
    auto sending_down = std::async(std::launch::async, [&] {
        send_in_pieces(server, down, 4);
        server.finish();
    });
    auto received = std::async(std::launch::async, [&] { return visitor.receive_all(); });
    CHECK((server.receive_all() == up));
    CHECK((received.get() == down));
}

TEST_CASE("a server at a Unix socket gets the header of the PROXY protocol first")
{
    Tunnel tunnel(1024,
                  [](OriginOptions& options) { options.rules.proxy_protocol = ProxyProtocol::v1; });
    Stream visitor = tunnel.visit();
    visitor.send("hello");
    visitor.finish();
    const std::string header =
        "PROXY TCP4 127.0.0.1 127.0.0.1 " + std::to_string(visitor.local().port()) + " " +
        std::to_string(tunnel.remote.proxy().outside_endpoint().port()) + "\r\n";
    CHECK(tunnel.server.accept().receive_all() == header + "hello");
}

TEST_CASE("visitors wait for a server at a Unix socket whose queue is full, and all are served")
{
    constexpr int count = 20;
    Tunnel tunnel(0);
    std::vector<Stream> visitors;
    for (int i = 0; i < count; ++i) {
        visitors.push_back(tunnel.visit());
        visitors.back().send(std::to_string(i + 10));
    }
    std::vector<std::string> heard;
    for (int i = 0; i < count; ++i) {
        Stream server = tunnel.server.accept();
        heard.push_back(server.receive(2));
        server.send(heard.back());
        server.finish();
    }
    for (int i = 0; i < count; ++i)
        CHECK(visitors[static_cast<std::size_t>(i)].receive(2) == std::to_string(i + 10));
}

TEST_CASE("a visitor is reset when a Unix socket cannot be connected to within the dial timeout")
{
    Tunnel tunnel(0, [](OriginOptions& options) { options.dial_timeout = 100ms; });
    SUBCASE("since its queue stays full")
    {
        std::vector<Stream> queued; // until the queue is full, and one more
        Ending ending = Ending::silence;
        for (int i = 0; i < 10 && ending == Ending::silence; ++i) {
            queued.push_back(tunnel.visit());
            ending = queued.back().ending(500ms);
        }
        CHECK(ending == Ending::reset);
    }
    SUBCASE("since nobody listens there")
    {
        tunnel.server.stop_listening();
        CHECK(tunnel.visit().ending() == Ending::reset);
    }
}

TEST_CASE("a visitor of a server at a Unix socket that dies with unread bytes is reset")
{
    Tunnel tunnel;
    Stream visitor = tunnel.visit();
    visitor.send("nobody reads this");
    {
        Stream server = tunnel.server.accept();
        CHECK(server.readable_within(10s));
    }
    CHECK(visitor.ending() == Ending::reset);
}
