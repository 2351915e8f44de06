#include <doctest/doctest.h>

#include "common/net/socket.hpp"
#include "remote-proxy/origin_link.hpp"
#include "tests/unit/io.hpp"

using namespace std::chrono_literals;
using namespace tunnel;
using namespace tunnel::test;

TEST_CASE("a log-in that speaks our version and wants our service is not objected to")
{
    CHECK(objection(LogIn()) == std::nullopt);
    LogIn newer;
    newer.highest_version = 9;
    newer.features = {"something new"};
    CHECK(objection(newer) == std::nullopt);
}

TEST_CASE("a log-in without a common version is told both sides' versions")
{
    LogIn log_in;
    log_in.lowest_version = 7;
    log_in.highest_version = 9;
    log_in.program_version = "12.3";
    const auto reject = objection(log_in);
    REQUIRE(reject.has_value());
    CHECK(reject->reason == RejectReason::version);
    CHECK(reject->text == "this remote proxy (" TUNNEL_VERSION
                          ") speaks versions 1 to 1 of the protocol, your origin proxy (12.3) "
                          "speaks 7 to 9: upgrade the older of the two");
}

TEST_CASE("a log-in for a service that is not there is told which is")
{
    LogIn log_in;
    log_in.service = "other";
    const auto reject = objection(log_in);
    REQUIRE(reject.has_value());
    CHECK(reject->reason == RejectReason::service);
    CHECK(reject->text == "there is no service \"other\" here, only \"default\"");
}

TEST_CASE("a visitor is announced with its ticket and its address")
{
    asio::io_context io;
    SocketPair pair(io);
    const std::string address = to_string(pair.here.remote_endpoint());
    OriginLink link(std::move(pair.here), Tls(), {1min, 1min}, OriginId{random_bytes()},
                    Identity());
    CHECK(link.address == address);
    const Ticket ticket{random_bytes()};
    link.announce(ticket, Visitor{Fd(), "192.0.2.1:5", Clock::now()});
    link.connection.finish("");
    failure_of(io, link.connection.run([](Frame&) {}));
    run(io, [&]() -> awaitable<void> {
        const Frame frame = co_await read_frame(pair.there);
        const Announce expected{ticket, "192.0.2.1:5", "default"};
        CHECK((frame == Frame(expected)));
    });
}
