#include <doctest/doctest.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "common/transport/proxy_header.hpp"
#include "tests/unit/proxy_headers.hpp"
#include "tests/unit/random_frame.hpp"

using namespace std::string_literals;
using namespace tunnel;
using namespace tunnel::test;

namespace {

// One of each kind, and what it tells.
struct Sample {
    std::string bytes;
    std::optional<ProxyAddresses> addresses{};
};

std::vector<Sample> samples()
{
    const ProxyAddresses v4{visitor_v4, outside_v4};
    const ProxyAddresses v6{visitor_v6, outside_v6};
    const std::string extension = "\x01\x00\x02h2"s;
    return {{"PROXY TCP4 192.0.2.1 198.51.100.7 50000 443\r\n", v4},
            {"PROXY TCP6 2001:db8::1 2001:db8:ffff::7 50000 443\r\n", v6},
            {"PROXY UNKNOWN\r\n"},
            {"PROXY UNKNOWN ffff::1 \0 whatever\r\n"s},
            {binary('\x21', '\x11', ends_v4), v4},
            {binary('\x21', '\x11', ends_v4 + extension), v4},
            {binary('\x21', '\x21', ends_v6), v6},
            {binary('\x21', '\x21', ends_v6 + extension), v6},
            {binary('\x20', '\0', "")},
            {binary('\x20', '\x11', ends_v4)},
            {binary('\x21', '\0', "")},
            {binary('\x21', '\0', extension)},
            {binary('\x21', '\x12', ends_v4)},
            {binary('\x21', '\x22', ends_v6)},
            {binary('\x21', '\x31', std::string(216, 'u'))},
            {binary('\x21', '\x32', std::string(216, 'u'))}};
}

asio::ip::address random_address(Random& random)
{
    asio::ip::address_v6::bytes_type v6{};
    switch (random.below(4)) {
    case 0:
        return asio::ip::address_v4(random.number<std::uint32_t>());
    case 1:
        return asio::ip::make_address_v6(asio::ip::v4_mapped,
                                         asio::ip::address_v4(random.number<std::uint32_t>()));
    case 2: // with zeroes in places, which the text leaves out
        for (std::size_t i = random.below(v6.size()); i < v6.size(); i += 1 + random.below(6))
            v6[i] = random.number<std::uint8_t>();
        return asio::ip::address_v6(v6);
    default:
        std::ranges::generate(v6, [&random] { return random.number<std::uint8_t>(); });
        return asio::ip::address_v6(v6, random.number<std::uint16_t>());
    }
}

// IPv4 within IPv6 taken out, and no zone.
tcp::endpoint as_it_is(const tcp::endpoint& endpoint)
{
    const asio::ip::address address = endpoint.address();
    if (address.is_v4())
        return endpoint;
    const asio::ip::address_v6 v6 = address.to_v6();
    if (v6.is_v4_mapped())
        return {asio::ip::make_address_v4(asio::ip::v4_mapped, v6), endpoint.port()};
    return {asio::ip::address_v6(v6.to_bytes()), endpoint.port()};
}

} // namespace

TEST_CASE("a header of version 1 is a line with both ends of the visitor's connection")
{
    CHECK(proxy_header_v1(visitor_v4, outside_v4) ==
          "PROXY TCP4 192.0.2.1 198.51.100.7 50000 443\r\n");
    CHECK(proxy_header_v1(visitor_v6, outside_v6) ==
          "PROXY TCP6 2001:db8::1 2001:db8:ffff::7 50000 443\r\n");
    CHECK(unknown_proxy_header_v1() == "PROXY UNKNOWN\r\n");
}

TEST_CASE("a header of version 2 is a signature and both ends of the visitor's connection")
{
    CHECK(proxy_header_v2(visitor_v4, outside_v4) ==
          "\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c"s + ends_v4);
    CHECK(proxy_header_v2(visitor_v6, outside_v6) ==
          "\r\n\r\n\0\r\nQUIT\n\x21\x21\0\x24"s + ends_v6);
    CHECK(local_proxy_header_v2() == "\r\n\r\n\0\r\nQUIT\n\x20\0\0\0"s);
}

TEST_CASE("IPv4 over a dual-stack socket is written as IPv4")
{
    const auto visitor = at("::ffff:192.0.2.1", 50000);
    const auto outside = at("::ffff:198.51.100.7", 443);
    for (const auto& [from, to] : {std::pair(visitor, outside), std::pair(visitor, outside_v4),
                                   std::pair(visitor_v4, outside)}) {
        CHECK(proxy_header_v1(from, to) == proxy_header_v1(visitor_v4, outside_v4));
        CHECK(proxy_header_v2(from, to) == proxy_header_v2(visitor_v4, outside_v4));
    }
}

TEST_CASE("ends of two families are both written as IPv6, without IPv4's notation")
{
    const std::string mapped = "\0\0\0\0\0\0\0\0\0\0\xff\xff"s;
    for (const auto& visitor : {visitor_v4, at("::ffff:192.0.2.1", 50000)}) {
        const std::string line = proxy_header_v1(visitor, outside_v6);
        CHECK(line == "PROXY TCP6 0:0:0:0:0:ffff:c000:201 2001:db8:ffff::7 50000 443\r\n");
        CHECK(is_header(line, ProxyAddresses{visitor_v4, outside_v6}));
        const std::string bytes = proxy_header_v2(visitor, outside_v6);
        CHECK(bytes == binary('\x21', '\x21', mapped + ends_v4.substr(0, 4) + ends_v6.substr(16)));
        CHECK(is_header(bytes, ProxyAddresses{visitor_v4, outside_v6}));
    }
    const std::string line = proxy_header_v1(visitor_v6, outside_v4);
    CHECK(line == "PROXY TCP6 2001:db8::1 0:0:0:0:0:ffff:c633:6407 50000 443\r\n");
    CHECK(is_header(line, ProxyAddresses{visitor_v6, outside_v4}));
    CHECK(proxy_header_v1(at("::1.2.3.4", 1), outside_v6) ==
          "PROXY TCP6 0:0:0:0:0:0:102:304 2001:db8:ffff::7 1 443\r\n");
}

TEST_CASE("a zone, which means nothing to another machine, is not written")
{
    const auto visitor = at("fe80::1%1", 50000);
    const auto plain = at("fe80::1", 50000);
    CHECK(proxy_header_v1(visitor, outside_v6) ==
          "PROXY TCP6 fe80::1 2001:db8:ffff::7 50000 443\r\n");
    CHECK(proxy_header_v2(visitor, outside_v6) == proxy_header_v2(plain, outside_v6));
    CHECK(is_header(proxy_header_v2(visitor, visitor), ProxyAddresses{plain, plain}));
}

TEST_CASE("each kind of header is read with what it tells")
{
    for (const Sample& sample : samples()) {
        CAPTURE(sample.bytes);
        CHECK(is_header(sample.bytes, sample.addresses));
    }
}

TEST_CASE("the specification's examples are read")
{
    CHECK(is_header("PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\n",
                    ProxyAddresses{at("192.168.0.1", 56324), at("192.168.0.11", 443)}));
    CHECK(is_header("PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n",
                    ProxyAddresses{at("255.255.255.255", 65535), at("255.255.255.255", 65535)}));
    const std::string ones = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff";
    CHECK(is_header("PROXY TCP6 " + ones + " " + ones + " 65535 65535\r\n",
                    ProxyAddresses{at(ones.c_str(), 65535), at(ones.c_str(), 65535)}));
    const std::string longest = "PROXY UNKNOWN " + ones + " " + ones + " 65535 65535\r\n";
    CHECK(longest.size() == largest_proxy_header_v1);
    CHECK(is_header(longest));
}

TEST_CASE("a header that is cut at any place needs more, and what follows it is left alone")
{
    for (const Sample& sample : samples()) {
        CAPTURE(sample.bytes);
        for (std::size_t size = 0; size < sample.bytes.size(); ++size)
            CHECK(is(NoProxyHeader::not_whole, sample.bytes.substr(0, size)));
        for (const std::string& next : {"\0"s, "\r\n"s, "GET / HTTP/1.1\r\n"s, sample.bytes,
                                        std::string(2 * largest_proxy_header, 'x')})
            CHECK(header_of(sample.bytes + next) ==
                  ProxyHeader{sample.bytes.size(), sample.addresses});
    }
}

TEST_CASE("a signature shows in the first bytes, whatever header follows")
{
    const std::string binary("\r\n\r\n\0\r\nQUIT\n", 12);
    for (const std::string& signature : {"PROXY "s, binary}) {
        CAPTURE(signature);
        for (std::size_t size = 0; size < signature.size(); ++size) {
            const std::string part = signature.substr(0, size);
            CHECK(proxy_signature(part) == ProxySignature::part);
            CHECK(proxy_signature(part + "?") == ProxySignature::none);
        }
        CHECK(proxy_signature(signature) == ProxySignature::whole);
        CHECK(proxy_signature(signature + "and no header") == ProxySignature::whole);
    }
    for (const auto text : {"POST / HTTP/1.1\r\n", "proxy ", "\r\n\r\nhello", "\n"})
        CHECK(proxy_signature(text) == ProxySignature::none);
}

TEST_CASE("IPv4 within IPv6 is read as IPv4, whichever way it was written")
{
    const ProxyAddresses addresses{visitor_v4, outside_v6};
    for (const char* const v4 : {"::ffff:192.0.2.1", "::ffff:c000:201", "::FFFF:C000:0201"})
        CHECK(is_header("PROXY TCP6 "s + v4 + " 2001:db8:ffff::7 50000 443\r\n", addresses));
}

TEST_CASE("what was written of any two ends is read as the same")
{
    Random random;
    for (int i = 0; i < 20'000; ++i) {
        const tcp::endpoint visitor(random_address(random), random.number<std::uint16_t>());
        const tcp::endpoint outside(random_address(random), random.number<std::uint16_t>());
        const ProxyAddresses addresses{as_it_is(visitor), as_it_is(outside)};
        const std::string line = proxy_header_v1(visitor, outside);
        CAPTURE(line);
        CHECK(line.size() <= largest_proxy_header_v1);
        CHECK(is_header(line, addresses));
        CHECK(is_header(proxy_header_v2(visitor, outside), addresses));
    }
}
