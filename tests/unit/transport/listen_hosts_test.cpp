#include <doctest/doctest.h>

#include "common/transport/listen_hosts.hpp"

using namespace tunnel;

TEST_CASE("a name to listen on is looked up once, and means the same address at every port")
{
    asio::io_context io;
    ListenHosts hosts(io);
    const tcp::endpoint first = hosts.endpoint({"localhost", 80});
    CHECK(first == tcp::endpoint(asio::ip::address_v4::loopback(), 80));
    CHECK(hosts.endpoint({"localhost", 81}) == tcp::endpoint(first.address(), 81));
    CHECK(hosts.endpoint({"::1", 82}) == tcp::endpoint(asio::ip::address_v6::loopback(), 82));
    CHECK(hosts.endpoint({"", 83}).address().is_unspecified());
    CHECK_THROWS_AS(hosts.endpoint({"no.such.host.invalid", 84}), std::system_error);
}
