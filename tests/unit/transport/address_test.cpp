#include <doctest/doctest.h>

#include "common/base/error.hpp"
#include "common/base/lookups.hpp"
#include "common/transport/address.hpp"
#include "common/transport/socket.hpp"
#include "tests/unit/io.hpp"

using namespace std::chrono_literals;
using namespace std::string_view_literals;
using namespace tunnel;
using namespace tunnel::test;

namespace {

tcp::endpoint endpoint(const char* ip, std::uint16_t port)
{
    return {asio::ip::make_address(ip), port};
}

std::vector<tcp::endpoint> resolved(const Address& address)
{
    asio::io_context io;
    std::vector<tcp::endpoint> found;
    run(io, [&]() -> awaitable<void> { found = co_await resolve(address, 10s); });
    return found;
}

} // namespace

TEST_CASE("an address is a name or a literal and a port")
{
    CHECK(parse_address("example.com:9001") == Address{"example.com", 9001});
    CHECK(parse_address("my_host-1.local:1") == Address{"my_host-1.local", 1});
    CHECK(parse_address("192.0.2.1:80") == Address{"192.0.2.1", 80});
    CHECK(parse_address("[2001:db8::1]:80") == Address{"2001:db8::1", 80});
    CHECK(parse_address("[::]:443") == Address{"::", 443});
    CHECK(parse_address("[::ffff:192.0.2.1]:80") == Address{"::ffff:192.0.2.1", 80});
    CHECK(parse_address(":9000") == Address{"", 9000});
    CHECK(parse_address("host:0") == Address{"host", 0});
    CHECK(parse_address("host:65535") == Address{"host", 65535});
}

TEST_CASE("an address without a proper port is refused")
{
    for (const auto text : {"", ":", "host", "host:", "[::1]", "[::1]:", "host:http", "host:65536",
                            "host:99999999999999999999", "host:-1", "host:+1", "host: 80",
                            "host:80 ", "host:8 0", "host:0x50", "host:80/", "host:80:"}) {
        CAPTURE(text);
        CHECK_FALSE(parse_address(text));
    }
}

TEST_CASE("an IPv6 literal stands in brackets, and nothing else does")
{
    for (const auto text :
         {"::1:80", "2001:db8::1:80", ":::80", "[::1:80", "::1]:80", "[:80", "]:80", "[]:80",
          "[[::1]]:80", "[::1]x:80", "x[::1]:80", "[example.com]:80", "[192.0.2.1]:80",
          "[::1::2]:80", "[12345::]:80", "[:::]:80", "[::1 ]:80", "[ ::1]:80"}) {
        CAPTURE(text);
        CHECK_FALSE(parse_address(text));
    }
}

TEST_CASE("a host has only characters that host names have")
{
    for (const auto text :
         {" :80", " host:80", "ho st:80", "host :80", "\thost:80", "host\n:80", "http://host:80",
          "host/path:80", "user@host:80", "h\xc3\xb6st:80", "a,b:80", "*:80", "host%1:80"}) {
        CAPTURE(text);
        CHECK_FALSE(parse_address(text));
    }
}

TEST_CASE("a NUL in an address does not hide what follows it")
{
    CHECK_FALSE(parse_address("host\0:80"sv));
    CHECK_FALSE(parse_address("host:80\0"sv));
    CHECK_FALSE(parse_address("host:8\0000"sv));
    CHECK_FALSE(parse_address("\0:80"sv));
    CHECK_FALSE(parse_address("[::1\0]:80"sv));
    CHECK_FALSE(parse_address("[::1\0 and more]:80"sv));
}

TEST_CASE("the zone of an IPv6 literal is a zone, not any text")
{
    CHECK(parse_address("[fe80::1%1]:80").has_value());
    CHECK_FALSE(parse_address("[fe80::1%]:80"));
    CHECK_FALSE(parse_address("[fe80::1%no such zone]:80"));
    CHECK_FALSE(parse_address("[fe80::1%\x1b[31m]:80"));
}

TEST_CASE("a host is at most 253 characters long")
{
    CHECK(parse_address(std::string(253, 'a') + ":80").has_value());
    CHECK_FALSE(parse_address(std::string(254, 'a') + ":80"));
    CHECK_FALSE(parse_address(std::string(100'000, 'a') + ":80"));
}

TEST_CASE("an address is written as it was read")
{
    for (const auto text : {"example.com:9001", "192.0.2.1:80", "[2001:db8::1]:80", "[::]:0",
                            ":9000", "[::ffff:192.0.2.1]:80"}) {
        const auto address = parse_address(text);
        REQUIRE(address.has_value());
        CHECK(to_string(*address) == text);
    }
}

TEST_CASE("an endpoint is written as an address, IPv4 over a dual-stack socket as IPv4")
{
    CHECK(to_string(endpoint("192.0.2.1", 80)) == "192.0.2.1:80");
    CHECK(to_string(endpoint("2001:db8::1", 80)) == "[2001:db8::1]:80");
    CHECK(to_string(endpoint("::", 0)) == "[::]:0");
    CHECK(to_string(endpoint("::ffff:192.0.2.1", 80)) == "192.0.2.1:80");
}

TEST_CASE("a literal is resolved to itself")
{
    CHECK(resolved({"192.0.2.1", 80}) == std::vector{endpoint("192.0.2.1", 80)});
    CHECK(resolved({"2001:db8::1", 0}) == std::vector{endpoint("2001:db8::1", 0)});
}

TEST_CASE("localhost, and an address without host, are resolved to this machine")
{
    for (const auto host : {"localhost", ""}) {
        CAPTURE(host);
        const auto found = resolved({host, 4321});
        CHECK_FALSE(found.empty());
        for (const tcp::endpoint& each : found) {
            CHECK(each.address().is_loopback());
            CHECK(each.port() == 4321);
        }
    }
    CHECK(lookups_under_way() == 0);
}

TEST_CASE("a look-up that takes too long is given up, and is counted until it ends")
{
    asio::io_context io;
    const auto failure = failure_of(io, resolve(Address{"example.test", 80}, -1ms));
    CHECK(failure.code() == std::errc::timed_out);
    CHECK(std::string(failure.what()).starts_with("look up example.test"));
    CHECK(lookups_under_way() <= 1); // the answer may have come by now
    CHECK(run_until(io, [] { return lookups_under_way() == 0; }));
}

TEST_CASE("a name that does not exist is an error that names it")
{
    asio::io_context io;
    const Address nowhere{"nowhere.invalid", 80}; // RFC 6761 promises that there is none
    const auto failure = failure_of(io, resolve(nowhere, 10s));
    CHECK(failure.code());
    CHECK(std::string(failure.what()).starts_with("look up nowhere.invalid"));
    CHECK(run_until(io, [] { return lookups_under_way() == 0; }));
}

TEST_CASE("a program listens on the address that it was told")
{
    asio::io_context io;
    CHECK(endpoint_to_listen(io, {"127.0.0.1", 80}) == endpoint("127.0.0.1", 80));
    CHECK(endpoint_to_listen(io, {"::1", 80}) == endpoint("::1", 80));
    CHECK(endpoint_to_listen(io, {"localhost", 80}) == endpoint("127.0.0.1", 80));
    CHECK(endpoint_to_listen(io, {"", 80}).address().is_unspecified());
    CHECK(endpoint_to_listen(io, {"", 80}).port() == 80);
}
