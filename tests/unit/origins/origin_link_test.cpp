#include <doctest/doctest.h>

#include "common/transport/socket.hpp"
#include "remote-proxy/origins/origin_link.hpp"
#include "tests/unit/io.hpp"

using namespace std::chrono_literals;
using namespace tunnel;
using namespace tunnel::test;

TEST_CASE("a log-in that speaks our version is not objected to")
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

TEST_CASE("a link is known by the address of its peer")
{
    asio::io_context io;
    SocketPair pair(io);
    const std::string address = to_string(pair.here.remote_endpoint());
    const OriginLink link(std::move(pair.here), {1min, 1min}, OriginId{random_bytes()}, Identity(),
                          IdleRoom(1));
    CHECK(link.address == address);
}
