// Requests to the management interface, out of bytes.
#include <doctest/doctest.h>

#include <fmt/format.h>

#include "common/http/request_reader.hpp"

using namespace tunnel;
using Progress = RequestReader::Progress;

namespace {

constexpr std::string_view ping = "GET /ping HTTP/1.1\r\nHost: localhost\r\n\r\n";

// A PUT with these header lines and this body.
std::string put(std::string_view headers, std::string_view body)
{
    return fmt::format("PUT /tunnels HTTP/1.1\r\nHost: a\r\n{}\r\n{}", headers, body);
}

// The status with which the bytes are refused; 0: they are not.
unsigned refused(std::string_view bytes)
{
    RequestReader reader;
    reader.put(bytes);
    RequestReader bytewise;
    for (const char& byte : bytes)
        bytewise.put({&byte, 1});
    CHECK(reader.progress() == bytewise.progress());
    if (reader.progress() != Progress::wrong)
        return 0;
    CHECK(reader.problem().status == bytewise.problem().status);
    CHECK(reader.problem().text != "");
    return reader.problem().status;
}

} // namespace

TEST_CASE("a request is taken apart, however its bytes come")
{
    const std::string bytes = "PUT /a%2Fb/c?x=1%20 HTTP/1.1\r\nHost: [::1]:9057\r\n"
                              "Authorization: Bearer x\r\nContent-Type: application/json\r\n"
                              "Content-Length: 3\r\n\r\n[1]";
    for (std::size_t cut = 0; cut <= bytes.size(); ++cut) {
        RequestReader reader;
        CHECK(reader.progress() == Progress::none);
        const Progress first = reader.put(std::string_view(bytes).substr(0, cut));
        CHECK((first == Progress::whole) == (cut == bytes.size()));
        if (first != Progress::whole)
            REQUIRE(reader.put(std::string_view(bytes).substr(cut)) == Progress::whole);
        const Request& request = reader.request();
        CHECK(request.method == Method::put);
        CHECK(request.segments == std::vector<std::string>{"a/b", "c"});
        CHECK(request.query == "x=1%20");
        CHECK(request.host == "[::1]:9057");
        CHECK(request.authorization == "Bearer x");
        CHECK(request.content_type == "application/json");
        CHECK(request.has_body);
        CHECK(request.body == "[1]");
        CHECK(request.keep_alive);
    }
}

TEST_CASE("requests that come together are read one after the other")
{
    const std::string body = put("Content-Length: 3\r\n", "abc");
    RequestReader reader;
    REQUIRE(reader.put(std::string(ping) + body + std::string(ping)) == Progress::whole);
    CHECK(reader.request().method == Method::get);
    REQUIRE(reader.next() == Progress::whole);
    CHECK(reader.request().body == "abc");
    REQUIRE(reader.next() == Progress::whole);
    CHECK(reader.request().method == Method::get);
    CHECK(reader.next() == Progress::none);
}

TEST_CASE("the head is there before the body, so that it can be decided by it")
{
    RequestReader reader;
    const auto bytes = put("Expect: 100-continue\r\nContent-Length: 5\r\n", "");
    REQUIRE(reader.put(bytes) == Progress::body);
    CHECK(reader.request().expects_continue);
    CHECK(reader.request().has_body);
    CHECK(reader.put("12345") == Progress::whole);
}

TEST_CASE("a connection is kept only if the client wants it so")
{
    const auto kept = [](std::string_view version, std::string_view header) {
        RequestReader reader;
        reader.put(fmt::format("GET / HTTP/{}\r\nHost: a\r\n{}\r\n", version, header));
        REQUIRE(reader.progress() == Progress::whole);
        return reader.request().keep_alive;
    };
    CHECK(kept("1.1", ""));
    CHECK_FALSE(kept("1.1", "Connection: close\r\n"));
    CHECK_FALSE(kept("1.0", ""));
    CHECK(kept("1.0", "Connection: keep-alive\r\n"));
}

TEST_CASE("bodies whose end others could find elsewhere are refused")
{
    CHECK(refused(put("Content-Length: 1\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n")) == 400);
    CHECK(refused(put("Transfer-Encoding: chunked\r\nContent-Length: 1\r\n", "0\r\n\r\n")) == 400);
    CHECK(refused(put("Content-Length: 1\r\nContent-Length: 1\r\n", "a")) == 400);
    CHECK(refused(put("Content-Length: 1\r\nContent-Length: 2\r\n", "aa")) == 400);
    CHECK(refused(put("Content-Length: 1, 1\r\n", "a")) == 400);
    CHECK(refused(put("Content-Length: +1\r\n", "a")) == 400);
    CHECK(refused(put("Content-Length: 0x1\r\n", "a")) == 400);
    CHECK(refused(put("Content-Length: -1\r\n", "a")) == 400);
    CHECK(refused(put("Content-Length: 99999999999999999999\r\n", "a")) == 400);
    CHECK(refused(put("Content-Length : 1\r\n", "a")) == 400);
    CHECK(refused("PUT / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n") ==
          400);
}

TEST_CASE("a body in chunks is refused, whatever the chunks and trailers are")
{
    const std::string chunked = "Transfer-Encoding: chunked\r\n";
    CHECK(refused(put(chunked, "1\r\na\r\n0\r\n\r\n")) == 411);
    CHECK(refused(put(chunked, "0\r\nTransfer-Encoding: chunked\r\n\r\n")) == 411);
    CHECK(refused(put(chunked, "-1\r\n\r\n")) == 411);
    CHECK(refused(put("Transfer-Encoding: xchunked\r\n", "0\r\n\r\n")) == 411);
    CHECK(refused(put("Transfer-Encoding: gzip, chunked\r\n", "0\r\n\r\n")) == 411);
    CHECK(refused(put(chunked + chunked, "0\r\n\r\n")) >= 400);
}

TEST_CASE("heads that others could read in another way are refused")
{
    const auto head = [](std::string_view lines) {
        return fmt::format("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", lines);
    };
    CHECK(refused(head("")) == 0);
    CHECK(refused(head("A: b\r\n c\r\n")) == 400);
    CHECK(refused(head("A: b\r\n\tc\r\n")) == 400);
    CHECK(refused(head("A: b\n")) == 400);
    CHECK(refused(head("A: b\rc\r\n")) == 400);
    CHECK(refused(head(std::string("A: b\0c\r\n", 8))) == 400);
    CHECK(refused(head("A b: c\r\n")) == 400);
    CHECK(refused(head("A : c\r\n")) == 400);
    CHECK(refused(head(": c\r\n")) == 400);
    CHECK(refused(head("A\r\n")) == 400);
    CHECK(refused(head("Host: a\r\n")) == 400);
    CHECK(refused(head("Authorization: a\r\nAuthorization: b\r\n")) == 400);
    CHECK(refused(head("Content-Type: a\r\nContent-Type: b\r\n")) == 400);
    CHECK(refused(head("Expect: something\r\n")) == 417);
    CHECK(refused("GET / HTTP/1.1\r\n\r\n") == 400);
    CHECK(refused("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n") == 400);
    CHECK(refused("GET / HTTP/1.1\r\nHost: a\r\n b\r\n\r\n") == 400);
    CHECK(refused("GET / HTTP/1.1\nHost: a\n\n") == 400);
    CHECK(refused("GET  / HTTP/1.1\r\nHost: a\r\n\r\n") == 400);
    CHECK(refused("GET / HTTP/2.0\r\nHost: a\r\n\r\n") == 505);
    CHECK(refused("GET / HTTP/1.1x\r\nHost: a\r\n\r\n") == 505);
    CHECK(refused("GET /\r\n\r\n") == 400);
    CHECK(refused("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n") == 400);
    CHECK(refused("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n") == 505);
}

TEST_CASE("a target is a path in one form")
{
    const auto get = [](std::string_view target) {
        return refused(fmt::format("GET {} HTTP/1.1\r\nHost: a\r\n\r\n", target));
    };
    CHECK(get("/") == 0);
    CHECK(get("/a/b?c") == 0);
    CHECK(get("http://b/ping") == 0);
    CHECK(get("HTTP://b:80?c") == 0);
    CHECK(get("http:///ping") == 400);
    CHECK(get("http://user@a/ping") == 400);
    CHECK(get("http://a,b/ping") == 400);
    CHECK(get("http://a%2f/ping") == 400);
    CHECK(get("http://a/%zz") == 400);
    CHECK(get("http://a/#b") == 400);
    CHECK(get("ftp://a/ping") == 400);
    CHECK(get("*") == 400);
    CHECK(get("/*") == 0);
    CHECK(get("a:443") == 400);
    CHECK(get("ping") == 400);
    CHECK(get("/%") == 400);
    CHECK(get("/%4") == 400);
    CHECK(get("/%4g") == 400);
    CHECK(get("/%00") == 400);
    CHECK(get("/%0d%0a") == 400);
    CHECK(get("/a#b") == 400);
    CHECK(get("/\xc3\xa4") == 400);
}

TEST_CASE("a whole URL as the target names the host, whatever the header says")
{
    const auto read = [](std::string_view target) {
        RequestReader reader;
        reader.put(fmt::format("GET {} HTTP/1.1\r\nHost: header.example\r\n\r\n", target));
        REQUIRE(reader.progress() == Progress::whole);
        return reader.request();
    };
    CHECK(read("/a").host == "header.example");
    const Request request = read("https://[::1]:9057/v1/a%20b?c=d");
    CHECK(request.host == "[::1]:9057");
    CHECK(request.segments == std::vector<std::string>{"v1", "a b"});
    CHECK(request.query == "c=d");
    CHECK(read("http://a").segments == std::vector<std::string>{""});
    CHECK(read("http://a?b").query == "b");
}

TEST_CASE("only HTTP/1.0 may leave out the host")
{
    RequestReader reader;
    REQUIRE(reader.put("GET /ping HTTP/1.0\r\n\r\n") == Progress::whole);
    CHECK_FALSE(reader.request().host.has_value());
    CHECK(reader.request().is_http_1_0);
    CHECK_FALSE(reader.request().keep_alive);
    RequestReader named;
    REQUIRE(named.put("GET /ping HTTP/1.0\r\nhOsT: a\r\n\r\n") == Progress::whole);
    CHECK(named.request().host == "a");
    CHECK(refused("GET http://a/ping HTTP/1.1\r\n\r\n") == 400);
    CHECK(refused("GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n") == 400);
}

TEST_CASE("HTTP/1.0 does not know a client that waits before it sends the body")
{
    RequestReader reader;
    reader.put("PUT / HTTP/1.0\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n");
    REQUIRE(reader.progress() == Progress::body);
    CHECK_FALSE(reader.request().expects_continue);
}

TEST_CASE("the whole server can be asked for its options, and for nothing else")
{
    RequestReader reader;
    REQUIRE(reader.put("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n") == Progress::whole);
    CHECK(reader.request().is_whole_server);
    CHECK(reader.request().segments.empty());
    CHECK(refused("HEAD * HTTP/1.1\r\nHost: a\r\n\r\n") == 400);
    CHECK(refused("OPTIONS *? HTTP/1.1\r\nHost: a\r\n\r\n") == 400);
}

TEST_CASE("a few empty lines before a request are skipped, and many are refused")
{
    for (const auto* lines : {"\r\n", "\n", "\r\n\r\n\n", "\n\n\n\n\n\n\n\n"}) {
        CHECK(refused(std::string(lines) + std::string(ping)) == 0);
        RequestReader reader;
        CHECK(reader.put(lines) == Progress::none);
        CHECK(reader.put(ping) == Progress::whole);
    }
    CHECK(refused("\n\n\n\n\n\n\n\n\n") == 400);
    CHECK(refused("\r\r\n" + std::string(ping)) == 400);
    CHECK(refused("\r" + std::string(ping)) == 400);
    CHECK(refused(" \r\n" + std::string(ping)) == 400);

    RequestReader reader; // each request may have them
    for (int i = 0; i < 20; ++i) {
        REQUIRE(reader.put("\r\n\r\n" + std::string(ping)) == Progress::whole);
        CHECK(reader.next() == Progress::none);
    }
}

TEST_CASE("what is too long or too much is refused, and what just fits is taken")
{
    const auto with_head_of = [](std::size_t size) {
        std::string head = "GET / HTTP/1.1\r\nHost: a\r\nX: \r\n\r\n";
        head.insert(head.size() - 4, size - head.size(), 'x');
        return head;
    };
    CHECK(refused(with_head_of(8 * 1024)) == 0);
    CHECK(refused(with_head_of(8 * 1024 + 1)) == 431);
    CHECK(refused(fmt::format("GET /{}", std::string(8 * 1024, 'a'))) == 431);

    const auto with_headers = [](std::size_t count) {
        std::string head = "GET / HTTP/1.1\r\nHost: a\r\n";
        for (std::size_t i = 1; i < count; ++i)
            head += "A:\r\n";
        return head + "\r\n";
    };
    CHECK(refused(with_headers(64)) == 0);
    CHECK(refused(with_headers(65)) == 431);
    CHECK(refused(with_headers(10'000)) == 431);

    RequestReader::Limits limits;
    limits.body = 4;
    const auto refused_body = [&limits](const std::string& bytes) {
        RequestReader reader(limits);
        reader.put(bytes);
        return reader.progress() == Progress::wrong ? reader.problem().status : 0;
    };
    CHECK(refused_body(put("Content-Length: 4\r\n", "1234")) == 0);
    CHECK(refused_body(put("Content-Length: 5\r\n", "")) == 413);
    CHECK(refused_body(put("Content-Length: 1000000000\r\n", "")) == 413);
}

TEST_CASE("after something wrong nothing has a meaning any more")
{
    RequestReader reader;
    reader.put("nonsense\r\n\r\n");
    REQUIRE(reader.progress() == Progress::wrong);
    CHECK(reader.put(ping) == Progress::wrong);
}
