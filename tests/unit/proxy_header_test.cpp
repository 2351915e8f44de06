#include <doctest/doctest.h>

#include <algorithm>
#include <cctype>
#include <utility>
#include <vector>

#include "common/net/proxy_header.hpp"
#include "tests/unit/random_frame.hpp"

using namespace std::string_literals;
using namespace tunnel;
using namespace tunnel::test;

namespace {

const std::string signature_v2 = "\r\n\r\n\0\r\nQUIT\n"s;

tcp::endpoint at(const char* ip, std::uint16_t port)
{
    return {asio::ip::make_address(ip), port};
}

const tcp::endpoint visitor_v4 = at("192.0.2.1", 50000);
const tcp::endpoint outside_v4 = at("198.51.100.7", 443);
const tcp::endpoint visitor_v6 = at("2001:db8::1", 50000);
const tcp::endpoint outside_v6 = at("2001:db8:ffff::7", 443);

// Of version 2, with a length of its own.
std::string binary(char command, char family, std::size_t length, const std::string& rest)
{
    return signature_v2 + command + family + static_cast<char>(length >> 8) +
           static_cast<char>(length) + rest;
}

std::string binary(char command, char family, const std::string& rest)
{
    return binary(command, family, rest.size(), rest);
}

const std::string ends_v4 = "\xc0\x00\x02\x01\xc6\x33\x64\x07\xc3\x50\x01\xbb"s;
const std::string ends_v6 =
    "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1\x20\x01\x0d\xb8\xff\xff\0\0\0\0\0\0\0\0\0\7"
    "\xc3\x50\x01\xbb"s;

bool is(NoProxyHeader what, std::string_view bytes)
{
    const auto decoded = decode_proxy_header(bytes);
    const auto* const none = std::get_if<NoProxyHeader>(&decoded);
    return none != nullptr && *none == what;
}

bool is_malformed(std::string_view bytes)
{
    return is(NoProxyHeader::malformed, bytes);
}

// The header that the bytes begin with; of size 0: none.
ProxyHeader header_of(std::string_view bytes)
{
    const auto decoded = decode_proxy_header(bytes);
    const auto* const header = std::get_if<ProxyHeader>(&decoded);
    return header != nullptr ? *header : ProxyHeader{0};
}

// Whether the bytes are a header as a whole; `addresses` are then those that it has to tell.
bool is_header(std::string_view bytes, const std::optional<ProxyAddresses>& addresses = {})
{
    return header_of(bytes) == ProxyHeader{bytes.size(), addresses};
}

bool is_line(const std::string& line)
{
    return header_of("PROXY " + line + "\r\n").size == line.size() + 8;
}

bool is_malformed_line(const std::string& line)
{
    return is_malformed("PROXY " + line + "\r\n");
}

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

TEST_CASE("a signature with a byte changed is no header, from that byte on")
{
    for (const std::string& signature : {"PROXY "s, signature_v2}) {
        for (std::size_t i = 0; i < signature.size(); ++i) {
            for (int bit = 0; bit < 8; ++bit) {
                std::string bytes = signature;
                bytes[i] = static_cast<char>(bytes[i] ^ 1 << bit);
                CHECK(is(NoProxyHeader::not_one, bytes.substr(0, i + 1)));
                CHECK(is(NoProxyHeader::not_one, bytes + "TCP4 1.1.1.1 2.2.2.2 1 2\r\n"));
            }
        }
    }
    for (const char* const other : {"GET / HTTP/1.1\r\n", "\x16\x03\x01", "SSH-2.0-", "proxy TCP4",
                                    "PROXY\r\n", "PROXY\tTCP4", " PROXY TCP4", "\n", "\r\n\r\nGET"})
        CHECK(is(NoProxyHeader::not_one, other));
}

TEST_CASE("a line with any byte changed is malformed, or tells something else")
{
    const Sample sample = samples().front();
    for (std::size_t i = "PROXY "s.size(); i < sample.bytes.size(); ++i) {
        for (int value = 0; value < 256; ++value) {
            std::string bytes = sample.bytes;
            bytes[i] = static_cast<char>(value);
            if (bytes == sample.bytes)
                continue;
            const ProxyHeader header = header_of(bytes);
            CAPTURE(bytes);
            if (header.size != 0) {
                CHECK(std::isdigit(static_cast<unsigned char>(value)) != 0);
                CHECK(header.size == bytes.size());
                CHECK(header.addresses != sample.addresses);
            } else {
                CHECK(is_malformed(bytes + "\r\n"));
            }
        }
    }
}

TEST_CASE("a line has one space between two words, and nothing else")
{
    CHECK(is_line("TCP4 192.0.2.1 198.51.100.7 50000 443"));
    for (const char* const line : {" TCP4 192.0.2.1 198.51.100.7 50000 443",
                                   "TCP4  192.0.2.1 198.51.100.7 50000 443",
                                   "TCP4 192.0.2.1  198.51.100.7 50000 443",
                                   "TCP4 192.0.2.1 198.51.100.7  50000 443",
                                   "TCP4 192.0.2.1 198.51.100.7 50000  443",
                                   "TCP4 192.0.2.1 198.51.100.7 50000 443 ",
                                   "TCP4\t192.0.2.1 198.51.100.7 50000 443",
                                   "TCP4 192.0.2.1 198.51.100.7 50000 443 x",
                                   "TCP4 192.0.2.1 198.51.100.7 50000",
                                   "TCP4 192.0.2.1 198.51.100.7 50000 ",
                                   "TCP4 192.0.2.1",
                                   "TCP4 ",
                                   "TCP4",
                                   "",
                                   " ",
                                   "tcp4 192.0.2.1 198.51.100.7 50000 443",
                                   "TCP 192.0.2.1 198.51.100.7 50000 443",
                                   "UDP4 192.0.2.1 198.51.100.7 50000 443",
                                   "TCP5 192.0.2.1 198.51.100.7 50000 443",
                                   "UNKNOWNX",
                                   "unknown",
                                   "UNKNOWN\tx"})
        CHECK_MESSAGE(is_malformed_line(line), line);
}

TEST_CASE("a line ends with both characters of a line's end, and within 107 bytes")
{
    const std::string line = "PROXY TCP4 192.0.2.1 198.51.100.7 50000 443";
    CHECK(is_malformed(line + "\n"));
    CHECK(is(NoProxyHeader::not_whole, line + "\r"));
    CHECK(is_malformed(line + "\r\r\n"));
    CHECK(is_malformed(line + "\rx"));
    CHECK(is_malformed("PROXY UNKNOWN one\rtwo\r\n"));
    CHECK(is_malformed("PROXY UNKNOWN one\ntwo\r\n"));
    const std::string unknown = "PROXY UNKNOWN ";
    const std::string longest =
        unknown + std::string(largest_proxy_header_v1 - unknown.size() - 2, 'x');
    CHECK(is_header(longest + "\r\n"));
    CHECK(is(NoProxyHeader::not_whole, longest + "\r"));
    CHECK(is(NoProxyHeader::not_whole, longest + "x"));
    CHECK(is_malformed(longest + "xx"));
    CHECK(is_malformed(longest + "x\r"));
    CHECK(is_malformed(longest + "x\r\n"));
}

TEST_CASE("a port in a line is a decimal number without decoration")
{
    const auto ports = [](const std::string& visitor, const std::string& outside) {
        return "TCP4 192.0.2.1 198.51.100.7 " + visitor + " " + outside;
    };
    for (const char* const port : {"0", "1", "65535"}) {
        CHECK(is_line(ports(port, "443")));
        CHECK(is_line(ports("443", port)));
    }
    for (const char* const port : {"65536", "99999", "4294967297", "00", "01", "0443", "+1", "-1",
                                   "-0", "0x1", "1a", "1.", "1,", "a", ""}) {
        CHECK_MESSAGE(is_malformed_line(ports(port, "443")), port);
        CHECK_MESSAGE(is_malformed_line(ports("443", port)), port);
    }
    CHECK(is_malformed_line(ports("443", "1\0"s)));
}

TEST_CASE("an address in a line is a literal of the line's family")
{
    const auto addresses = [](const std::string& family, const std::string& one,
                              const std::string& other) {
        return family + " " + one + " " + other + " 50000 443";
    };
    for (const std::string& v4 :
         {"192.0.2"s, "192.0.2.256"s, "192.0.2.01"s, "192.0.2.1."s, "192.0.2.1.1"s, ".192.0.2.1"s,
          "192.0..1"s, "192.0.2.+1"s, "0300.0.2.1"s, "0xc0.0.2.1"s, "3221225985"s, "::"s,
          "2001:db8::1"s, "::ffff:192.0.2.1"s, "localhost"s, "192.0.2.1\0"s, "192.0.2.1:80"s}) {
        CHECK_MESSAGE(is_malformed_line(addresses("TCP4", v4, "198.51.100.7")), v4);
        CHECK_MESSAGE(is_malformed_line(addresses("TCP4", "198.51.100.7", v4)), v4);
    }
    for (const std::string& v6 :
         {"192.0.2.1"s, ":"s, ":::"s, "1"s, "1:2:3:4:5:6:7"s, "1:2:3:4:5:6:7:8:9"s, "1::2::3"s,
          "12345::"s, "::g"s, "[::1]"s, "fe80::1%1"s, "fe80::1%eth0"s, "::1\0"s, "::1\0%1"s,
          "::192.0.2"s, "::192.0.2.256"s, "1:2:3:4:5:6:7:192.0.2.1"s, ":1::2"s, "::1:"s}) {
        CHECK_MESSAGE(is_malformed_line(addresses("TCP6", v6, "2001:db8::1")), v6);
        CHECK_MESSAGE(is_malformed_line(addresses("TCP6", "2001:db8::1", v6)), v6);
    }
    for (const char* const v6 : {"::", "::1", "1::", "2001:DB8::A", "1:2:3:4:5:6:7:8",
                                 "0001:0002:0003:0004:0005:0006:0007:0008", "::ffff:192.0.2.1"})
        CHECK_MESSAGE(is_line(addresses("TCP6", v6, v6)), v6);
}

TEST_CASE("IPv4 within IPv6 is read as IPv4, whichever way it was written")
{
    const ProxyAddresses addresses{visitor_v4, outside_v6};
    for (const char* const v4 : {"::ffff:192.0.2.1", "::ffff:c000:201", "::FFFF:C000:0201"})
        CHECK(is_header("PROXY TCP6 "s + v4 + " 2001:db8:ffff::7 50000 443\r\n", addresses));
}

TEST_CASE("a header of another version or with another command is malformed, as soon as it shows")
{
    for (int command = 0; command < 256; ++command) {
        const bool good = command == 0x20 || command == 0x21;
        const std::string bytes = binary(static_cast<char>(command), '\x11', ends_v4);
        CHECK(is_malformed(bytes.substr(0, 13)) == !good);
        CHECK(is_malformed(bytes) == !good);
    }
}

TEST_CASE("a header of an unknown family is malformed, as soon as it shows, unless it is local")
{
    const std::string known = "\x00\x11\x12\x21\x22\x31\x32"s;
    for (int family = 0; family < 256; ++family) {
        const char byte = static_cast<char>(family);
        const bool good = known.find(byte) != std::string::npos;
        const std::string bytes = binary('\x21', byte, std::string(216, '\1'));
        CHECK(is_malformed(bytes.substr(0, 14)) == !good);
        CHECK(is_malformed(bytes) == !good);
        CHECK(is_header(binary('\x20', byte, std::string(216, '\1'))));
        CHECK(is_header(binary('\x20', byte, "")));
    }
}

TEST_CASE("a header too short for the addresses of its family is malformed before they come")
{
    const std::vector<std::pair<char, std::size_t>> families = {
        {'\x11', 12}, {'\x12', 12}, {'\x21', 36}, {'\x22', 36}, {'\x31', 216}, {'\x32', 216}};
    for (const auto& [family, size] : families) {
        CHECK(is_malformed(binary('\x21', family, 0, "")));
        CHECK(is_malformed(binary('\x21', family, size - 1, "")));
        CHECK(is_malformed(binary('\x21', family, std::string(size - 1, '\1'))));
        CHECK(is(NoProxyHeader::not_whole, binary('\x21', family, size, "")));
        CHECK(header_of(binary('\x21', family, std::string(size, '\1'))).size == 16 + size);
    }
}

TEST_CASE("a length that lies in the other direction takes no more than it says, and has a bound")
{
    const std::string all = ends_v4 + std::string(70000, 'x');
    const ProxyAddresses addresses{visitor_v4, outside_v4};
    for (const std::size_t length : {12u, 13u, 255u, 256u, 4080u})
        CHECK(header_of(binary('\x21', '\x11', length, all)) ==
              ProxyHeader{16 + length, addresses});
    for (const std::size_t length : {4081u, 4096u, 32768u, 65535u}) {
        CHECK(is_malformed(binary('\x21', '\x11', length, all)));
        CHECK(is_malformed(binary('\x21', '\x11', length, "")));
        CHECK(is_malformed(binary('\x20', '\x00', length, "")));
    }
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
