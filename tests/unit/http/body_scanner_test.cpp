// Where bodies end.
#include <doctest/doctest.h>

#include <cstdint>
#include <limits>
#include <random>
#include <string>
#include <string_view>

#include "common/http/body_scanner.hpp"

using namespace tunnel;
using namespace std::string_literals;
using Is = BodySize::Is;
using State = BodyScanner::State;

namespace {

constexpr std::string_view next_message = "GET / HTTP/1.1\r\n\r\n";
constexpr BodySize chunked{Is::chunked, 0};

struct Scanned {
    State state = State::more;
    std::size_t taken = 0;

    friend bool operator==(const Scanned&, const Scanned&) = default;
};

// In pieces of so many bytes.
Scanned scan_pieces(BodySize size, std::string_view bytes, std::size_t piece)
{
    BodyScanner scanner(size);
    std::size_t taken = 0;
    while (taken < bytes.size() && scanner.state() == State::more) {
        const std::string_view next = bytes.substr(taken, piece);
        const std::size_t count = scanner.put(next);
        CHECK((count == next.size() || scanner.state() != State::more));
        taken += count;
    }
    return {scanner.state(), taken};
}

// As a pair does it: what need not be seen is not shown.
Scanned scan_skipping(BodySize size, std::string_view bytes)
{
    BodyScanner scanner(size);
    std::size_t taken = 0;
    while (taken < bytes.size() && scanner.state() == State::more) {
        if (const std::uint64_t unseen = scanner.unseen(); unseen > 0) {
            const std::uint64_t count = std::min<std::uint64_t>(unseen, bytes.size() - taken);
            scanner.skip(count);
            taken += count;
        } else {
            taken += scanner.put(bytes.substr(taken, 1));
        }
    }
    return {scanner.state(), taken};
}

Scanned scan(BodySize size, std::string_view bytes)
{
    const Scanned whole = scan_pieces(size, bytes, std::max<std::size_t>(bytes.size(), 1));
    for (const std::size_t piece : {std::size_t{1}, std::size_t{2}, std::size_t{3}, std::size_t{7}})
        CHECK(scan_pieces(size, bytes, piece) == whole);
    CHECK(scan_skipping(size, bytes) == whole);
    return whole;
}

// A body that is whole, and not longer when the next message follows.
bool is_whole(std::string_view bytes, BodySize size = chunked)
{
    const Scanned expected{State::whole, bytes.size()};
    return scan(size, bytes) == expected &&
           scan(size, std::string(bytes) + std::string(next_message)) == expected;
}

// Wrong at the byte behind these, whatever follows.
bool is_wrong_behind(std::string_view good, std::string_view bad)
{
    return scan(chunked, std::string(good) + std::string(bad)) ==
           Scanned{State::wrong, good.size()};
}

} // namespace

TEST_CASE("a body of no length is whole at once")
{
    for (const BodySize size : {BodySize{Is::none, 0}, BodySize{Is::length, 0}}) {
        BodyScanner scanner(size);
        CHECK(scanner.state() == State::whole);
        CHECK(scanner.unseen() == 0);
        CHECK(scanner.put(next_message) == 0);
        CHECK(scanner.state() == State::whole);
    }
}

TEST_CASE("a body of a length ends there")
{
    CHECK(is_whole("a", {Is::length, 1}));
    CHECK(is_whole("0\r\n\r\n", {Is::length, 5}));
    CHECK(scan({Is::length, 5}, "abcd") == Scanned{State::more, 4});

    BodyScanner scanner({Is::length, std::uint64_t{1} << 40U});
    CHECK(scanner.unseen() == std::uint64_t{1} << 40U);
    CHECK(scanner.put("abc") == 3);
    scanner.skip((std::uint64_t{1} << 40U) - 4);
    CHECK(scanner.unseen() == 1);
    CHECK(scanner.state() == State::more);
    CHECK(scanner.put("de") == 1);
    CHECK(scanner.state() == State::whole);
    CHECK(scanner.unseen() == 0);
}

TEST_CASE("a body until the end of the connection never is whole")
{
    BodyScanner scanner({Is::until_end, 0});
    CHECK(scanner.unseen() == std::numeric_limits<std::uint64_t>::max());
    CHECK(scanner.put(next_message) == next_message.size());
    scanner.skip(1U << 30U);
    CHECK(scanner.state() == State::more);
    CHECK(scanner.unseen() == std::numeric_limits<std::uint64_t>::max());
}

TEST_CASE("a chunked body ends behind its trailers")
{
    CHECK(is_whole("0\r\n\r\n"));
    CHECK(is_whole("5\r\nhello\r\n0\r\n\r\n"));
    CHECK(is_whole("a\r\n0123456789\r\nA\r\n\r\n\r\n00\r\n\r\n\r\n000\r\n\r\n"));
    CHECK(is_whole("0000000000000001\r\nx\r\n0000000000000000\r\n\r\n"));
    CHECK(is_whole("1;a=b;c=\"d e\";f\r\nx\r\n0;last\r\n\r\n"));
    CHECK(is_whole("1 \t;a\r\nx\r\n0  \r\n\r\n"));
    CHECK(is_whole("0\r\nServer-Timing: a;dur=1\r\nX-Sum:\r\nY:\t\xc3\xa4 \r\n\r\n"));
    CHECK(scan(chunked, "5\r\nhello\r\n0\r\n\r") == Scanned{State::more, 14});
}

TEST_CASE("the data of a chunk need not be seen")
{
    BodyScanner scanner(chunked);
    CHECK(scanner.unseen() == 0);
    CHECK(scanner.put("1000;x\r") == 7);
    CHECK(scanner.unseen() == 0);
    CHECK(scanner.put("\nab") == 3);
    CHECK(scanner.unseen() == 0x1000 - 2);
    scanner.skip(0);
    CHECK(scanner.unseen() == 0x1000 - 2);
    scanner.skip(0x1000 - 2);
    CHECK(scanner.unseen() == 0);
    CHECK(scanner.state() == State::more);
    CHECK(scanner.put("\r\n0\r\n\r\nG") == 7);
    CHECK(scanner.state() == State::whole);
}

TEST_CASE("the size of a chunk is 1 to 16 digits, and less than 2^63")
{
    BodyScanner scanner(chunked);
    CHECK(scanner.put("7fffffffffffffff\r\n") == 18);
    CHECK(scanner.unseen() == 0x7fffffffffffffff);
    CHECK(is_wrong_behind("8000000000000000", "\r\n"));
    CHECK(is_wrong_behind("FFFFFFFFFFFFFFFF", ";\r\n"));
    CHECK(is_wrong_behind("0000000000000000", "0\r\n"));
    CHECK(is_wrong_behind("1234567890abcdef", "0\r\n"));
    for (const char* bad : {"g", "\r\n", " 1\r\n", "-1\r\n", "+1\r\n", ";a\r\n", "x", "\n", "\xef"})
        CHECK(is_wrong_behind("", bad));
    for (const char* bad : {"x5\r\n", "_0\r\n", "\n", ".", "g"})
        CHECK(is_wrong_behind("5", bad));
    CHECK(is_wrong_behind("5 ", "5\r\n"));
    CHECK(is_wrong_behind("5\t", "\n"));
    CHECK(is_wrong_behind("1\r\nx\r\n", "\r\n0\r\n\r\n"));
}

TEST_CASE("an extension is short, and visible")
{
    CHECK(is_whole("0;" + std::string(1023, 'x') + "\r\n\r\n"));
    CHECK(is_wrong_behind("0;" + std::string(1023, 'x'), "x\r\n\r\n"));
    CHECK(is_whole("0" + std::string(1024, ' ') + "\r\n\r\n"));
    CHECK(is_wrong_behind("0" + std::string(1024, ' '), ";\r\n\r\n"));
    CHECK(is_whole("1;" + std::string(1023, 'x') + "\r\ny\r\n0;" + std::string(1023, 'x') +
                   "\r\n\r\n"));
    for (const char* bad : {"\n", "\x01", "\x7f", "\x80", "\x0b"})
        CHECK(is_wrong_behind("0;a", bad));
    CHECK(is_wrong_behind("0;a", "\0"s));
    CHECK(is_whole("0;a=\"b\\\"c\\\\\";d=\"\"\r\n\r\n"));
    CHECK(is_wrong_behind("0;a=\"b", "\r\n\"\r\n\r\n"));
    CHECK(is_wrong_behind("0;a=\"b\\", "\r\n\r\n"));
    CHECK(is_wrong_behind("0;a=\"b\\\"", "\r\n\r\n"));
}

TEST_CASE("each line of a chunked body ends in CR LF")
{
    CHECK(is_wrong_behind("5", "\nhello\r\n0\r\n\r\n"));
    CHECK(is_wrong_behind("5\r", "hello\r\n"));
    CHECK(is_wrong_behind("5\r", "\r\nhello\r\n"));
    CHECK(is_wrong_behind("5;a\r", "b\r\nhello\r\n"));
    CHECK(is_wrong_behind("5\r\nhello", "\n0\r\n\r\n"));
    CHECK(is_wrong_behind("5\r\nhello", "0\r\n\r\n"));
    CHECK(is_wrong_behind("5\r\nhello\r", "0\r\n\r\n"));
    CHECK(is_wrong_behind("5\r\nhello", " \r\n0\r\n\r\n"));
    CHECK(is_wrong_behind("0\r\n", "\n"));
    CHECK(is_wrong_behind("0\r\n\r", "\r\n"));
    CHECK(is_wrong_behind("0\r\n\r", "GET"));
    CHECK(is_wrong_behind("0\r\nA: b", "\n\r\n"));
    CHECK(is_wrong_behind("0\r\nA: b\r", "C: d\r\n\r\n"));
}

TEST_CASE("a trailer is a header, and no one that a proxy or a server goes by")
{
    for (const char* name : {"Content-Length",
                             "transfer-encoding",
                             "Host",
                             "Trailer",
                             "Authorization",
                             "Connection",
                             "TE",
                             "Upgrade",
                             "Keep-Alive",
                             "Proxy-Connection",
                             "Proxy-Authorization",
                             "Expect",
                             "Cookie",
                             "Content-Type",
                             "Content-Encoding",
                             "Content-Range",
                             "X-Forwarded-For",
                             "X-Forwarded-Anything-That-Is-Longer-Than-Any-Name",
                             "X_Forwarded_For",
                             "Content_Length",
                             "Forwarded",
                             "X-Real-IP",
                             "HTTP2-Settings"})
        CHECK(is_wrong_behind("0\r\nX-Sum: 1\r\n"s + name, ": 5\r\n\r\n"));
    for (const char* name :
         {"Host-Sum", "X-Content-Length", "C", "Digest", "Set-Cookie", "!#$%&'*"})
        CHECK(is_whole("0\r\n"s + name + ": 5\r\n\r\n"));
    CHECK(is_whole("0\r\n" + std::string(5000, 'n') + ": 5\r\n\r\n"));
    CHECK(is_wrong_behind("0\r\n", ": x\r\n\r\n"));
    CHECK(is_wrong_behind("0\r\n", " x: y\r\n\r\n"));
    CHECK(is_wrong_behind("0\r\nA: b\r\n", " c\r\n\r\n"));
    CHECK(is_wrong_behind("0\r\nA: b\r\n", "\tc\r\n\r\n"));
    CHECK(is_wrong_behind("0\r\nA", " : b\r\n\r\n"));
    CHECK(is_wrong_behind("0\r\nA", "\r\n\r\n"));
    CHECK(is_wrong_behind("0\r\nGET", " / HTTP/1.1\r\n\r\n"));
    CHECK(is_wrong_behind("0\r\nA: ", "\0\r\n\r\n"s));
    CHECK(is_wrong_behind("0\r\nA: ", "\x7f\r\n\r\n"));
}

TEST_CASE("all trailers together are no longer than 8 KiB")
{
    // With the last, empty line, of whose LF nothing needs to be said.
    const std::size_t rest = "A: \r\n\r"s.size();
    CHECK(is_whole("0\r\nA: " + std::string(8192 - rest, 'x') + "\r\n\r\n"));
    const std::string longest = "0\r\nA: " + std::string(8192 - rest + 1, 'x') + "\r\n";
    CHECK(is_wrong_behind(longest, "\r\n"));
    std::string many = "0\r\n";
    while (many.size() < 8192)
        many += "A:b\r\n";
    CHECK(scan(chunked, many + "A:b\r\nA:b\r\n\r\n").state == State::wrong);
}

TEST_CASE("messages that follow each other are told apart wherever their bytes are cut")
{
    std::mt19937 random(7);
    const std::string first = "4\r\nGET \r\n0\r\nX: y\r\n\r\n";
    const std::string second = "0\r\n\r\nabc";
    const std::string third = "3;x\r\n\r\n\r\r\n0\r\n\r\n";
    const std::string all = first + second + third;
    for (int round = 0; round < 300; ++round) {
        std::size_t begin = 0;
        for (const BodySize size : {chunked, BodySize{Is::length, second.size()}, chunked}) {
            BodyScanner scanner(size);
            while (scanner.state() == State::more)
                begin += scanner.put(std::string_view(all).substr(begin, 1 + random() % 9));
            REQUIRE(scanner.state() == State::whole);
        }
        CHECK(begin == all.size());
    }
}
