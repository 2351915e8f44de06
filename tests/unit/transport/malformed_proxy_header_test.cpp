// What is no header of the PROXY protocol, or a malformed one.
#include <doctest/doctest.h>

#include <cctype>
#include <utility>
#include <vector>

#include "tests/unit/proxy_headers.hpp"

using namespace std::string_literals;
using namespace tunnel;
using namespace tunnel::test;

namespace {

bool is_malformed(std::string_view bytes)
{
    return is(NoProxyHeader::malformed, bytes);
}

bool is_line(const std::string& line)
{
    return header_of("PROXY " + line + "\r\n").size == line.size() + 8;
}

bool is_malformed_line(const std::string& line)
{
    return is_malformed("PROXY " + line + "\r\n");
}

} // namespace

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
    const std::string good = proxy_header_v1(visitor_v4, outside_v4);
    const ProxyAddresses addresses{visitor_v4, outside_v4};
    for (std::size_t i = "PROXY "s.size(); i < good.size(); ++i) {
        for (int value = 0; value < 256; ++value) {
            std::string bytes = good;
            bytes[i] = static_cast<char>(value);
            if (bytes == good)
                continue;
            const ProxyHeader header = header_of(bytes);
            CAPTURE(bytes);
            if (header.size != 0) {
                CHECK(std::isdigit(static_cast<unsigned char>(value)) != 0);
                CHECK(header.size == bytes.size());
                CHECK(header.addresses != addresses);
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
