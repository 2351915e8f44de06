// Visitors who say that they are others, by a header of the PROXY protocol that nobody asked for.
#include <doctest/doctest.h>

#include "tests/support/proxies.hpp"

using namespace std::chrono_literals;
using namespace std::string_view_literals;
using namespace tunnel;
using namespace tunnel::test;

namespace {

constexpr auto v1 = "PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n"sv;
constexpr auto v2 = "\r\n\r\n\0\r\nQUIT\n\x20\0\0\0"sv;

struct Tunnel {
    explicit Tunnel(std::uint32_t parked, ForeignHeader foreign, std::vector<Cidr> accepted = {})
        : remote([&] {
              RemoteOptions options = remote_options();
              options.rules.foreign_header = foreign;
              options.rules.accept_proxy_from = std::move(accepted);
              return options;
          }())
    {
        OriginOptions options =
            origin_options(remote.proxy().control_endpoint(), server.endpoint());
        options.parked_connections = parked;
        origin.emplace(options, RemoteLink::OnReady());
        REQUIRE(eventually([&] {
            return origin->on_its_thread([](OriginProxy& proxy) {
                return proxy.logged_in();
            }) && remote.on_its_thread([](RemoteProxy& proxy) { return proxy.parked(); }) >= parked;
        }));
    }

    Stream visit() const { return Stream::connect(remote.proxy().outside_endpoint()); }

    Server server;
    RunningRemote remote;
    std::optional<RunningOrigin> origin;
};

} // namespace

TEST_CASE("a header from anybody else is data, unless it is to be reset")
{
    for (const std::uint32_t parked : {0, 1}) {
        for (const std::string_view header : {v1, v2}) {
            CAPTURE(parked);
            Tunnel tunnel(parked, ForeignHeader::data);
            Stream visitor = tunnel.visit();
            visitor.send(header);
            CHECK(tunnel.server.accept().receive(header.size()) == header);
        }
    }
}

TEST_CASE("a visitor who begins with a header is reset, and the origin server gets no byte")
{
    for (const std::uint32_t parked : {0, 1}) {
        for (const std::string_view header : {v1, v2, "PROXY of somebody"sv}) {
            CAPTURE(parked);
            Tunnel tunnel(parked, ForeignHeader::reset);
            Stream visitor = tunnel.visit();
            SUBCASE("at once")
            {
                visitor.send(header);
            }
            SUBCASE("once it is served")
            {
                Stream served = tunnel.server.accept();
                served.send("220 hello");
                CHECK(visitor.receive(9) == "220 hello"); // a server that speaks first is heard
                visitor.send(header.substr(0, 5));
                visitor.send(header.substr(5));
                CHECK_THROWS_AS(served.receive(1), std::system_error);
            }
            CHECK(visitor.ending() == Ending::reset);
            // What the server got of it, if it was connected at all.
            while (tunnel.server.pending_within(0ms)) {
                Stream served = tunnel.server.accept();
                CHECK_THROWS(served.receive(1));
            }
        }
    }
}

TEST_CASE("all other visitors are served where foreign headers are reset")
{
    for (const std::uint32_t parked : {0, 1}) {
        CAPTURE(parked);
        Tunnel tunnel(parked, ForeignHeader::reset);
        for (const auto text : {"POST / HTTP/1.1\r\n"sv, "\r\n\r\nhello"sv, "P"sv, ""sv}) {
            CAPTURE(text);
            Stream visitor = tunnel.visit();
            visitor.send(text);
            visitor.finish();
            Stream served = tunnel.server.accept();
            CHECK(served.receive_all() == text);
            served.send("answer");
            served.finish();
            CHECK(visitor.receive_all() == "answer");
        }
    }
}

TEST_CASE("what a load balancer passes on is the visitor's own, whatever it looks like")
{
    Tunnel tunnel(0, ForeignHeader::reset, {parse_cidr("127.0.0.1")});
    Stream visitor = tunnel.visit();
    visitor.send(std::string(v1) + std::string(v2));
    CHECK(tunnel.server.accept().receive(v2.size()) == v2);
}
