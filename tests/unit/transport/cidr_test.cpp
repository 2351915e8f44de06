#include <doctest/doctest.h>

#include <stdexcept>

#include "common/transport/cidr.hpp"

using namespace std::string_view_literals;
using namespace tunnel;

namespace {

asio::ip::address ip(const char* text)
{
    return asio::ip::make_address(text);
}

bool contains(std::string_view network, const char* address)
{
    return parse_cidr(network).contains(ip(address));
}

// What is said of a text that is no network.
std::string complaint(std::string_view text)
{
    try {
        parse_cidr(text);
    } catch (const std::invalid_argument& error) {
        return error.what();
    }
    return "none";
}

} // namespace

TEST_CASE("a network contains the addresses that begin with its bits, and no others")
{
    CHECK(contains("10.0.0.0/8", "10.0.0.0"));
    CHECK(contains("10.0.0.0/8", "10.255.255.255"));
    CHECK_FALSE(contains("10.0.0.0/8", "11.0.0.0"));
    CHECK_FALSE(contains("10.0.0.0/8", "9.255.255.255"));
    CHECK(contains("192.0.2.128/25", "192.0.2.128"));
    CHECK_FALSE(contains("192.0.2.128/25", "192.0.2.127"));
    CHECK(contains("192.0.2.4/31", "192.0.2.5"));
    CHECK_FALSE(contains("192.0.2.4/31", "192.0.2.6"));
    CHECK(contains("2001:db8::/33", "2001:db8:7fff:ffff::1"));
    CHECK_FALSE(contains("2001:db8::/33", "2001:db8:8000::"));
}

TEST_CASE("an address alone is a network of one")
{
    CHECK(parse_cidr("192.0.2.1") == parse_cidr("192.0.2.1/32"));
    CHECK(parse_cidr("2001:db8::1") == parse_cidr("2001:db8::1/128"));
    CHECK(contains("192.0.2.1", "192.0.2.1"));
    CHECK_FALSE(contains("192.0.2.1", "192.0.2.0"));
    CHECK(contains("2001:db8::1", "2001:db8::1"));
    CHECK_FALSE(contains("2001:db8::1", "2001:db8::"));
}

TEST_CASE("a network of no bits is every address of its kind")
{
    CHECK(contains("0.0.0.0/0", "0.0.0.0"));
    CHECK(contains("0.0.0.0/0", "255.255.255.255"));
    CHECK_FALSE(contains("0.0.0.0/0", "::"));
    CHECK_FALSE(contains("0.0.0.0/0", "2001:db8::1"));
    CHECK(contains("::/0", "::"));
    CHECK(contains("::/0", "ffff::1"));
    CHECK_FALSE(contains("::/0", "192.0.2.1"));
}

TEST_CASE("IPv4 over a dual-stack socket is IPv4")
{
    CHECK(contains("10.0.0.0/8", "::ffff:10.1.2.3"));
    CHECK_FALSE(contains("10.0.0.0/8", "::ffff:11.1.2.3"));
    CHECK_FALSE(contains("::/0", "::ffff:10.1.2.3"));
    CHECK(parse_cidr("::ffff:10.0.0.0/104") == parse_cidr("10.0.0.0/8"));
    CHECK(parse_cidr("::ffff:10.0.0.1") == parse_cidr("10.0.0.1"));
}

TEST_CASE("a zone does not matter")
{
    asio::ip::address_v6 neighbour = asio::ip::make_address_v6("fe80::1");
    neighbour.scope_id(7);
    CHECK(parse_cidr("fe80::/10").contains(neighbour));
    CHECK(parse_cidr("fe80::1").contains(neighbour));
    CHECK(subscriber_of(neighbour) == parse_cidr("fe80::/64"));
}

TEST_CASE("a network is written as it was read")
{
    for (const auto text :
         {"10.0.0.0/8", "192.0.2.1/32", "0.0.0.0/0", "2001:db8::/32", "::/0", "::1/128"})
        CHECK(parse_cidr(text).text() == text);
    CHECK(parse_cidr("::ffff:192.0.2.0/120").text() == "192.0.2.0/24");
}

TEST_CASE("an address with bits beyond the length is refused, with the network it lies in")
{
    CHECK(complaint("10.0.0.1/8") == "\"10.0.0.1/8\" is not a network: did you mean 10.0.0.0/8?");
    CHECK(complaint("192.0.2.255/31") ==
          "\"192.0.2.255/31\" is not a network: did you mean 192.0.2.254/31?");
    CHECK(complaint("2001:db8::1/32") ==
          "\"2001:db8::1/32\" is not a network: did you mean 2001:db8::/32?");
    CHECK(complaint("1.2.3.4/0") == "\"1.2.3.4/0\" is not a network: did you mean 0.0.0.0/0?");
}

TEST_CASE("a length that no address has is refused, with those there are")
{
    for (const auto length :
         {"33"sv, "128"sv, ""sv, "8x"sv, " 8"sv, "+8"sv, "-1"sv, "8/8"sv, "4294967304"sv}) {
        CAPTURE(length);
        CHECK(complaint(std::string("10.0.0.0/").append(length)).ends_with("from 0 to 32"));
    }
    CHECK(complaint("2001:db8::/129") ==
          "\"2001:db8::/129\" is not a network: what follows the slash must be a number from 0 to "
          "128");
}

TEST_CASE("what does not begin with an address is refused, with what is expected")
{
    for (const auto text :
         {""sv, "/8"sv, "localhost"sv, "10.0.0/8"sv, "10.0.0.256"sv, "10.0.0.0.0"sv, "[::1]"sv,
          "2001:db8::/32 "sv, " 10.0.0.0/8"sv, "10.0.0.0\0/8"sv, "10.0.0.0\0"sv, "fe80::1%lo"sv,
          "10.0.0.0/8,10.0.0.0/8"sv, "*"sv, "::g"sv, ":::"sv}) {
        CAPTURE(text);
        CHECK(complaint(text) != "none");
    }
    CHECK(complaint("localhost") == "\"localhost\" is not a network such as 192.0.2.0/24 or "
                                    "2001:db8::/32, nor a single IP address");
}

TEST_CASE("what is wrong is told in one printable line, whatever stood there")
{
    CHECK(complaint("10.0.0.0/8\n").starts_with("\"10.0.0.0/8\\x0a\" is not a network"));
    CHECK(complaint("\x1b[31m::\xff/8").starts_with("\"\\x1b[31m::\\xff/8\" is not a network"));
}

TEST_CASE("the addresses of one IPv6 subscriber count as one, those of IPv4 each")
{
    CHECK(subscriber_of(ip("192.0.2.1")) == parse_cidr("192.0.2.1/32"));
    CHECK(subscriber_of(ip("192.0.2.1")) != subscriber_of(ip("192.0.2.2")));
    CHECK(subscriber_of(ip("::ffff:192.0.2.1")) == subscriber_of(ip("192.0.2.1")));
    CHECK(subscriber_of(ip("2001:db8::1")) == parse_cidr("2001:db8::/64"));
    CHECK(subscriber_of(ip("2001:db8::1")) == subscriber_of(ip("2001:db8::ffff:ffff:ffff:ffff")));
    CHECK(subscriber_of(ip("2001:db8::1")) != subscriber_of(ip("2001:db8:0:1::1")));
}

TEST_CASE("an address is looked for in each of several networks")
{
    CHECK_FALSE(contains(std::vector<Cidr>{}, ip("127.0.0.1")));
    const auto loopback = loopback_networks();
    CHECK(contains(loopback, ip("127.0.0.1")));
    CHECK(contains(loopback, ip("127.255.255.255")));
    CHECK(contains(loopback, ip("::1")));
    CHECK(contains(loopback, ip("::ffff:127.0.0.1")));
    CHECK_FALSE(contains(loopback, ip("128.0.0.1")));
    CHECK_FALSE(contains(loopback, ip("::2")));
}
