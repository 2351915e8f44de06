// Hellos made by hand: the name, where it ends, and what is no hello.
#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "common/transport/hello_name.hpp"
#include "tests/support/hello_parts.hpp"

using namespace std::string_literals;
using namespace tunnel;
using namespace tunnel::test;

namespace {

struct Case {
    std::string given; // bytes, or a name
    std::string found;
};

std::string name_of(std::size_t size)
{
    std::string name;
    while (name.size() < size)
        name += (name.size() + 1) % 50 == 0 && name.size() + 1 < size ? '.' : 'n';
    return name;
}

// A whole message of exactly `size` bytes.
std::string hello_of_size(std::size_t size)
{
    const std::string name = server_name(name_entry("app.example.com"));
    const std::size_t without = hello_with(name + extension(21, "")).size();
    return hello_with(extension(21, std::string(size - without, '\0')) + name);
}

} // namespace

TEST_CASE("a name in a hello is a host name in one form, or it is not valid")
{
    const std::vector<Case> cases{
        {"app.example.com", "app.example.com"},
        {"App.EXAMPLE.com", "app.example.com"},
        {"app.example.com.", "app.example.com"},
        {"localhost", "localhost"},
        {"under_score.example.com", "under_score.example.com"},
        {"xn--bcher-kva.example", "xn--bcher-kva.example"},
        {name_of(253), name_of(253)},
        {name_of(253) + ".", name_of(253)},
        {name_of(254), "no host name"},
        {name_of(255), "no host name"},
        {name_of(256), "no host name"},
        {std::string(64, 'l') + ".example.com", "no host name"},
        {"app.example.com..", "no host name"},
        {"app..example.com", "no host name"},
        {"..", "no host name"},
        {".", "no host name"},
        {"", "no host name"},
        {".example.com", "no host name"},
        {"app.example.com\0"s, "no host name"},
        {"app.example.com\0.evil.example"s, "no host name"},
        {"192.0.2.1", "no host name"},
        {"127.1", "no host name"},
        {"2001:db8::1", "no host name"},
        {"[2001:db8::1]", "no host name"},
        {"b\xc3\xbc"
         "cher.example",
         "no host name"},
        {"*.example.com", "no host name"},
        {"app.example.com:443", "no host name"},
        {"app example.com", "no host name"},
        {"app.example.com\r\n", "no host name"},
        {"../../etc/passwd", "no host name"},
    };
    for (const Case& each : cases) {
        CAPTURE(each.given);
        CHECK(found_in(hello_record(hello_of(each.given))) == each.found);
    }
    CHECK(find_hello_name(hello_record(hello_of("192.0.2.1"))) ==
          std::variant<HelloName, NoHello>(HelloName{"", false}));
}

TEST_CASE("a hello need not have a name, nor any extension")
{
    CHECK(found_in(hello_record(hello_message(hello_body({})))) == "no name");
    CHECK(found_in(hello_record(hello_with(""))) == "no name");
    CHECK(found_in(hello_record(hello_with(extension(23, "")))) == "no name");
    HelloParts least{"\x03\x01", std::string(32, '\0'), "", "\xc0\x2f", "\0"s};
    CHECK(found_in(hello_record(hello_message(hello_body(least)))) == "no name");
}

TEST_CASE("entries of other types than a host name are skipped")
{
    const std::string other = name_entry("something of the future", 7);
    const std::string empty = name_entry("", 1);
    const std::string host = name_entry("app.example.com");
    CHECK(found_in(hello_record(hello_with(server_name(other + host)))) == "app.example.com");
    CHECK(found_in(hello_record(hello_with(server_name(host + other)))) == "app.example.com");
    CHECK(found_in(hello_record(hello_with(server_name(empty + host + empty)))) ==
          "app.example.com");
    CHECK(found_in(hello_record(hello_with(server_name(other)))) == "no name");
}

TEST_CASE("a name is found behind a post-quantum key share of 1,216 bytes")
{
    const std::string share = "\x11\xec" + sized(2, std::string(1216, 'k'));
    const std::string hello =
        hello_with(extension(51, sized(2, share)) + server_name(name_entry("app.example.com")));
    CHECK(found_in(hello_record(hello)) == "app.example.com");
    for (std::size_t size = 1200; size < 1300; ++size)
        CHECK(found_in(in_records(hello, size)) == "app.example.com");
}

TEST_CASE("records of all versions of SSL 3 and TLS are taken, whatever the hello says of its own")
{
    for (char minor = 0; minor <= 4; ++minor)
        CHECK(found_in(hello_record(hello_of("a.example"), 22, minor)) == "a.example");
    CHECK(found_in(hello_record(hello_of("a.example"), 22, 5)) == "is malformed");
    for (const std::string& version : {"\x03\0"s, "\x03\x01"s, "\x03\x04"s, "\x7f\x1c"s}) {
        HelloParts parts;
        parts.version = version;
        parts.extensions = server_name(name_entry("a.example"));
        CHECK(found_in(hello_record(hello_message(hello_body(parts)))) == "a.example");
    }
}

TEST_CASE("what follows a hello does not matter")
{
    const std::string hello = hello_of("a.example");
    const std::string early_data = hello_record("early", 23, 3);
    for (const std::string& more : {"x"s, early_data, hello_record(hello_of("b.example")),
                                    std::string(most_hello_bytes, '\0')})
        CHECK(found_in(hello_record(hello) + more) == "a.example");
    CHECK(found_in(hello_record(hello + hello_of("b.example"))) == "a.example");
    // Also in a record that has not come to its end, or never will.
    const std::string longer = hello_record(hello + "more");
    CHECK(found_in(std::string_view(longer).substr(0, longer.size() - 4)) == "a.example");
}

TEST_CASE("a hello is whole with its last byte, wherever it is cut into two records")
{
    const std::string hello = hello_of("app.example.com");
    for (std::size_t size = 1; size <= hello.size(); ++size) {
        CAPTURE(size);
        const std::string bytes = hello_record(hello.substr(0, size)) +
                                  (size < hello.size() ? hello_record(hello.substr(size)) : "");
        for (std::size_t come = 0; come < bytes.size(); ++come)
            REQUIRE(found_in(std::string_view(bytes).substr(0, come)) == "not whole");
        CHECK(found_in(bytes) == "app.example.com");
    }
}

TEST_CASE("a hello may come in 64 records and no more")
{
    const std::string hello = hello_of("app.example.com");
    const auto bytewise = [&hello](std::size_t records) {
        return in_records(hello.substr(0, records), 1) + hello_record(hello.substr(records));
    };
    CHECK(found_in(bytewise(most_hello_records - 1)) == "app.example.com");
    CHECK(found_in(bytewise(most_hello_records)) == "too large");
    // It shows in the header of the last record that is taken.
    const std::string first = in_records(hello.substr(0, most_hello_records - 1), 1);
    const std::size_t rest = hello.size() - (most_hello_records - 1);
    CHECK(found_in(first) == "not whole");
    CHECK(found_in(first + hello_record(std::string(rest, 'x')).substr(0, 5)) == "not whole");
    CHECK(found_in(first + hello_record(std::string(rest - 1, 'x')).substr(0, 5)) == "too large");
    // With a name as short as this a hello can come byte by byte.
    HelloParts parts;
    parts.session_id.clear();
    parts.ciphers = "\x13\x01";
    parts.extensions = server_name(name_entry("a.b"));
    const std::string least = hello_message(hello_body(parts));
    REQUIRE(least.size() <= most_hello_records);
    CHECK(found_in(in_records(least, 1)) == "a.b");
}

TEST_CASE("a hello of 16 KiB is taken, and refused as soon as its header says that it is longer")
{
    const std::string largest = hello_of_size(largest_hello_message);
    REQUIRE(largest.size() == largest_hello_message);
    CHECK(found_in(hello_record(largest)) == "app.example.com");
    const std::string bytes = in_records(largest, largest.size() / most_hello_records);
    CHECK(bytes.size() == most_hello_bytes);
    CHECK(found_in(std::string_view(bytes).substr(0, bytes.size() - 1)) == "not whole");
    CHECK(found_in(bytes) == "app.example.com");

    const std::string larger = in_records(hello_of_size(largest_hello_message + 1), 1 << 14);
    CHECK(found_in(larger) == "too large");
    CHECK(found_in(std::string_view(larger).substr(0, 9)) == "too large");
    CHECK(found_in(std::string_view(larger).substr(0, 8)) == "not whole");
}

TEST_CASE("what is no hello is told as early as it shows")
{
    const std::string start = "\x16\x03\x01\0\x05"s;
    const std::vector<Case> cases{
        {"", "not whole"},
        {"\x15", "not TLS"},
        {"\x17\x03\x03", "not TLS"},
        {"\0\0\0\x08\x04\xd2\x16\x2f"s, "not TLS"}, // PostgreSQL asks whether there is TLS
        {"\x16", "not whole"},
        {"\x16\x02", "not TLS"},
        {"\x16\x03", "not whole"},
        {"\x16\x03\x05", "is malformed"},
        {"\x16\x03\x01\x40", "not whole"},
        {"\x16\x03\x01\x40\0"s, "not whole"},
        {"\x16\x03\x01\x40\x01", "too large"},
        {"\x16\x03\x01\x41", "too large"},
        {"\x16\x03\x01\0\0"s, "is malformed"},
        {start, "not whole"},
        {start + "\x02", "is malformed"},
        {start + "\x01", "not whole"},
        {start + "\x01\x01", "too large"},
        {start + "\x01\0"s, "not whole"},
        {start + "\x01\0\x40"s, "too large"},
        {start + "\x01\0\x3f"s, "not whole"},
        {start + "\x01\0\x3f\xfd"s, "too large"},
        {start + "\x01\0\x3f\xfc"s, "not whole"},
        {start + "\x01\0\0\0"s, "is malformed"}, // a whole one, with nothing in it
        {start + "\x01\0\x01\0x\x15"s, "is malformed"},
        {start + "\x01\0\x01\0x\x16\x02"s, "is malformed"},
        {start + "\x01\0\x01\0x\x16\x03\x01\0\0"s, "is malformed"},
        {start + "\x01\0\x01\0x\x16\x03\x01\0\x01"s, "not whole"},
    };
    for (const Case& each : cases) {
        CAPTURE(each.given);
        CHECK(found_in(each.given) == each.found);
    }
}

TEST_CASE("a request of plain HTTP is known by its method")
{
    for (const std::string method : {"GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS",
                                     "TRACE", "PATCH", "PROPFIND", "SEARCH"}) {
        CAPTURE(method);
        for (std::size_t size = 1; size <= method.size(); ++size)
            CHECK(found_in(method.substr(0, size)) == "not whole");
        CHECK(found_in(method + " ") == "plain HTTP");
        CHECK(found_in(method + " / HTTP/1.1\r\nHost: app.example.com\r\n\r\n") == "plain HTTP");
        CHECK(found_in(method + "/") == "not TLS");
    }
    CHECK(found_in("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n") == "plain HTTP");
    for (const std::string other : {"get / HTTP/1.1\r\n", "SSH-2.0-OpenSSH_9.2\r\n", "EHLO a\r\n",
                                    "\r\nGET / HTTP/1.1\r\n", "GE\r\n", "QUIT \r\n", " "})
        CHECK(found_in(other) == "not TLS");
}

TEST_CASE("a hello of SSL 2 is known by its third byte")
{
    const std::string hello = "\x80\x2e\x01\x03\x01\0\x15\0\0\0\x10"s;
    CHECK(found_in(hello.substr(0, 1)) == "not whole");
    CHECK(found_in(hello.substr(0, 2)) == "not whole");
    CHECK(found_in(hello.substr(0, 3)) == "old SSL");
    CHECK(found_in(hello) == "old SSL");
    CHECK(found_in("\x80\x2e\x04") == "not TLS");
    CHECK(found_in("\xf4TRP") == "not TLS");
}

TEST_CASE("an alert is a record of seven bytes")
{
    constexpr auto alert = fatal_alert(TlsAlert::unrecognized_name);
    CHECK(std::string_view(alert.data(), alert.size()) == "\x15\x03\x01\0\x02\x02\x70"s);
}
