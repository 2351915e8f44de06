// Hellos with one thing wrong, and bytes without any sense.
#include <doctest/doctest.h>

#include <algorithm>
#include <string>

#include "common/transport/hello_name.hpp"
#include "tests/support/hello_parts.hpp"
#include "tests/support/recorded_hellos.hpp"
#include "tests/unit/random_frame.hpp"

using namespace std::string_literals;
using namespace tunnel;
using namespace tunnel::test;

namespace {

std::string of(const HelloParts& parts)
{
    return found_in(hello_record(hello_message(hello_body(parts))));
}

HelloParts good_parts()
{
    HelloParts parts;
    parts.extensions = extension(43, "\x02\x03\x04") + server_name(name_entry("a.example")) +
                       extension(10, sized(2, "\0\x1d"s));
    return parts;
}

// The last byte of each length in a record with good_parts().
struct Lengths {
    std::size_t record = 4;
    std::size_t message = 8;
    std::size_t session_id = message + 2 + 32 + 1;
    std::size_t ciphers = session_id + 32 + 2;
    std::size_t compressions = ciphers + 4 + 1;
    std::size_t extensions = compressions + 1 + 2;
    std::size_t versions = extensions + 4;
    std::size_t server_name = versions + 3 + 4;
    std::size_t names = server_name + 2;
    std::size_t name = names + 1 + 2;
    std::size_t groups = name + 9 + 4;
};

std::string with_byte(std::string bytes, std::size_t at, int more)
{
    bytes[at] = static_cast<char>(bytes[at] + more);
    return bytes;
}

// Once it is not "not whole" an answer stays, whatever else comes.
void check_every_beginning(const std::string& bytes)
{
    const std::string_view all = bytes;
    std::size_t size = 0;
    while (size < all.size() && found_in(all.substr(0, size)) == "not whole")
        ++size;
    const std::string first = found_in(all.substr(0, size));
    REQUIRE(found_in(all) == first);
    if (first != "not whole")
        REQUIRE(found_in(bytes + std::string(100, '\0')) == first);
}

} // namespace

TEST_CASE("a hello with a length that is one too small or too large is malformed")
{
    const std::string good = hello_record(hello_message(hello_body(good_parts())));
    const Lengths at;
    REQUIRE(found_in(good) == "a.example");
    for (const std::size_t each : {at.session_id, at.ciphers, at.compressions, at.extensions,
                                   at.versions, at.server_name, at.names, at.name, at.groups}) {
        CAPTURE(each);
        for (const int more : {1, -1}) {
            CAPTURE(more);
            CHECK(found_in(with_byte(good, each, more)) == "is malformed");
            CHECK(found_in(with_byte(good, each, more) + "x") == "is malformed");
        }
    }
    CHECK(found_in(with_byte(good, at.message, -1)) == "is malformed");
    CHECK(found_in(with_byte(good, at.message, 1)) == "not whole");
    CHECK(found_in(with_byte(good, at.message, 1) + "x") == "is malformed"); // "x" is no record
    CHECK(found_in(with_byte(with_byte(good, at.message, 1), at.record, 1)) == "not whole");
    CHECK(found_in(with_byte(with_byte(good, at.message, 1), at.record, 1) + "x") ==
          "is malformed");
    CHECK(found_in(with_byte(good, at.record, -1)) == "is malformed"); // nor is what is left
    CHECK(found_in(with_byte(good, at.record, 1)) == "a.example");     // the message is there
}

TEST_CASE("a hello that ends at any place within its message is malformed")
{
    const HelloParts parts = good_parts();
    const std::string body = hello_body(parts);
    const std::size_t without_extensions = body.size() - parts.extensions->size() - 2;
    for (std::size_t size = 0; size < body.size(); ++size) {
        CAPTURE(size);
        CHECK(found_in(hello_record(hello_message(body.substr(0, size)))) ==
              (size == without_extensions ? "no name" : "is malformed"));
    }
    CHECK(found_in(hello_record(hello_message(body + "x"))) == "is malformed");
}

TEST_CASE("the parts of a hello have bounds")
{
    HelloParts parts = good_parts();
    CHECK(of(parts) == "a.example");
    for (const std::size_t size : {33, 255}) {
        parts.session_id.assign(size, 's');
        CHECK(of(parts) == "is malformed");
    }
    parts = good_parts();
    for (const std::size_t size : {0, 1, 3, 65}) {
        parts.ciphers.assign(size, 'c');
        CHECK(of(parts) == "is malformed");
    }
    parts = good_parts();
    parts.compressions.clear();
    CHECK(of(parts) == "is malformed");
}

TEST_CASE("a hello has one server_name, with one host name in it")
{
    const std::string host = name_entry("a.example");
    const std::string other = name_entry("b.example");
    for (const std::string& extensions :
         {server_name(host) + server_name(host), server_name(host) + server_name(other),
          server_name(host) + extension(0, ""), server_name(host + host),
          server_name(host + name_entry("x", 1) + other), server_name(""), extension(0, ""),
          extension(0, "\0"s), server_name("\0"s), server_name("\0\0"s), server_name(host + "\0"s),
          extension(0, sized(2, host) + "\0"s), server_name(name_entry("a", 1) + "\x01"),
          server_name("\x07")})
        CHECK(found_in(hello_record(hello_with(extensions))) == "is malformed");
    // Any other may be there twice: that is for the server to judge.
    CHECK(found_in(hello_record(hello_with(extension(23, "") + extension(23, "") +
                                           server_name(host)))) == "a.example");
}

TEST_CASE("nothing but handshake records may come within a hello")
{
    const std::string hello = hello_of("a.example");
    const std::string first = hello_record(hello.substr(0, 20));
    const std::string second = hello_record(hello.substr(20));
    CHECK(found_in(first + second) == "a.example");
    for (const char type : {'\x14', '\x15', '\x17', '\x18'})
        CHECK(found_in(first + hello_record("xx", type) + second) == "is malformed");
    CHECK(found_in(first + hello_record("") + second) == "is malformed");
    CHECK(found_in(hello_record("") + first + second) == "is malformed");
}

TEST_CASE("64 KiB without any sense get an answer")
{
    Random random;
    for (const std::string& start :
         {""s, "\x16\x03\x01"s, "\x16\x03\x01\x40\0\x01\0\x3f\xf0"s,
          hello_record(hello_with(std::string(40, '\xff'))).substr(0, 90)}) {
        for (int i = 0; i < 50; ++i) {
            std::string junk(64 * 1024, '\0');
            std::ranges::generate(junk, [&random] { return random.number<char>(); });
            std::ranges::copy(start, junk.begin());
            CHECK(found_in(junk) != "not whole");
        }
    }
}

TEST_CASE("whatever comes, an answer stays as it is when more comes")
{
    Random random;
    for (const RecordedHello& recorded : recorded_hellos) {
        const std::string hello = bytes_of(recorded);
        for (int i = 0; i < 200; ++i) {
            std::string bytes = hello;
            for (std::uint64_t changes = random.below(4) + 1; changes > 0; --changes)
                bytes[random.below(random.below(2) == 0 ? 60 : bytes.size())] =
                    random.number<char>();
            check_every_beginning(bytes);
        }
    }
}
