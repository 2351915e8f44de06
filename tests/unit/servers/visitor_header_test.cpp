#include <doctest/doctest.h>

#include "origin-proxy/servers/visitor_header.hpp"

using namespace std::string_view_literals;
using namespace tunnel;

namespace {

Announce announced(std::string visitor, std::string outside)
{
    return {Ticket(), std::move(visitor), "web", std::move(outside)};
}

constexpr auto signature = "\r\n\r\n\0\r\nQUIT\n"sv;

std::string v2(std::string_view rest)
{
    return std::string(signature).append(rest);
}

} // namespace

TEST_CASE("an origin server that wants no header gets none")
{
    CHECK(visitor_header(ProxyProtocol::off, announced("192.0.2.1:1", "192.0.2.2:2")).empty());
}

TEST_CASE("a header has the visitor's address and the one that it connected to")
{
    const Announce v4 = announced("192.0.2.1:4660", "198.51.100.2:443");
    CHECK(visitor_header(ProxyProtocol::v1, v4) ==
          "PROXY TCP4 192.0.2.1 198.51.100.2 4660 443\r\n");
    CHECK(visitor_header(ProxyProtocol::v2, v4) ==
          v2("\x21\x11\0\x0c\xc0\0\2\1\xc6\x33\x64\2\x12\x34\1\xbb"sv));
    const Announce v6 = announced("[2001:db8::1]:4660", "[::1]:443");
    CHECK(visitor_header(ProxyProtocol::v1, v6) == "PROXY TCP6 2001:db8::1 ::1 4660 443\r\n");
    CHECK(visitor_header(ProxyProtocol::v2, v6) ==
          v2("\x21\x21\0\x24\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1"
             "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1\x12\x34\1\xbb"sv));
}

TEST_CASE("an IPv4 address in the form of IPv6 is written as what it is, and without its zone one "
          "of IPv6")
{
    CHECK(visitor_header(ProxyProtocol::v1,
                         announced("[::ffff:192.0.2.1]:1", "[::ffff:192.0.2.2]:2")) ==
          "PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n");
    CHECK(visitor_header(ProxyProtocol::v1, announced("[fe80::1%lo]:1", "[fe80::2%7]:2")) ==
          "PROXY TCP6 fe80::1 fe80::2 1 2\r\n");
}

TEST_CASE("where only half is known, or nonsense, the header says that nothing is")
{
    for (const auto& wrong :
         {announced("192.0.2.1:1", ""), announced("", "192.0.2.2:2"),
          announced("localhost:1", "192.0.2.2:2"), announced("192.0.2.1:1", "192.0.2.2"),
          announced("192.0.2.1:1", ":2"), announced("192.0.2.1:0", "192.0.2.2:2"),
          announced("192.0.2.1:1\r\nQUIT", "192.0.2.2:2"), announced("192.0.2.1:1", "[::1]:2"),
          announced("192.0.2.1:1 ", "192.0.2.2:2")}) {
        CAPTURE(wrong.visitor);
        CAPTURE(wrong.outside);
        CHECK(visitor_header(ProxyProtocol::v1, wrong) == "PROXY UNKNOWN\r\n");
        CHECK(visitor_header(ProxyProtocol::v2, wrong) == v2("\x20\0\0\0"sv));
    }
}
