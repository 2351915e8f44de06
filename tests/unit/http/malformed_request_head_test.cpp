// Heads of requests that are refused, as soon as that shows.
#include <doctest/doctest.h>

#include <string>
#include <string_view>

#include "tests/unit/http/heads.hpp"

using namespace tunnel;
using namespace std::string_literals;
using namespace std::string_view_literals;

namespace {

unsigned status_for_lines(std::string_view lines)
{
    return status_for_request(get_with(lines));
}

unsigned status_for_target(std::string_view target, std::string_view method = "GET")
{
    return status_for_request(std::string(method) + " " + std::string(target) +
                              " HTTP/1.1\r\nHost: a.example\r\n\r\n");
}

unsigned status_for_host(std::string_view host)
{
    return status_for_request("GET / HTTP/1.1\r\nHost: " + std::string(host) + "\r\n\r\n");
}

// After how many bytes it is refused; 0: it is not.
std::size_t bytes_until_wrong(std::string_view bytes)
{
    std::size_t searched = 0;
    for (std::size_t size = 1; size <= bytes.size(); ++size) {
        const HeadSearch search = find_request_head(bytes.substr(0, size), searched);
        if (search.is == HeadSearch::Is::wrong)
            return size;
        searched = search.size;
    }
    return 0;
}

} // namespace

TEST_CASE("two headers that say how long a body is are refused, and what is no length")
{
    CHECK(status_for_lines("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n") == 400);
    CHECK(status_for_lines("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n") == 400);
    CHECK(status_for_lines("Content-Length: 5\r\nContent-Length: 6\r\n") == 400);
    CHECK(status_for_lines("Content-Length: 5\r\nContent-Length: 5\r\n") == 400);
    for (const char* length : {"", "+5", "-5", "5,5", "5, 5", "0x5", "5 5", "5;", "5.0", "\"5\"",
                               "five", ",5", "9223372036854775808", "18446744073709551616",
                               "99999999999999999999", "00000000000000000005", "\xc2\xb2"})
        CHECK(status_for_lines("Content-Length: "s + length + "\r\n") == 400);
}

TEST_CASE("a Transfer-Encoding is one plain chunked")
{
    for (const char* coding :
         {"", "identity", "xchunked", "chunked, identity", "identity, chunked", "gzip, chunked",
          "chunked, chunked", "chunked,", ",chunked", "chunked;q=1", "\"chunked\"", "chunked x",
          "chunke", "chunked\x0b", "chunked\xff"})
        CHECK(status_for_lines("Transfer-Encoding: "s + coding + "\r\n") == 400);
    CHECK(status_for_lines("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n") == 400);
    CHECK(status_for_lines("Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n") == 400);
    CHECK(status_for_request("POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n") ==
          400);
}

TEST_CASE("a header that a program would take for one of the length is refused")
{
    CHECK(status_for_lines("Content_Length: 5\r\n") == 400);
    CHECK(status_for_lines("Transfer_Encoding: chunked\r\n") == 400);
    CHECK(status_for_lines("Transfer.Encoding: chunked\r\n") == 400);
    CHECK(status_for_lines("content_length: 5\r\nContent-Length: 5\r\n") == 400);
    CHECK(status_for_lines("Content_Type: 5\r\nX_Content_Length: 5\r\n") == 0);
}

TEST_CASE("one Host header is there, and it names a host")
{
    CHECK(status_for_request("GET / HTTP/1.1\r\n\r\n") == 400);
    CHECK(status_for_request("GET / HTTP/1.1\r\nX: y\r\n\r\n") == 400);
    CHECK(status_for_lines("Host: a.example\r\n") == 400);
    CHECK(status_for_lines("host: b.example\r\n") == 400);
    for (const char* host : {"a b",
                             "a.example/x",
                             "user@a.example",
                             "a.example:80:80",
                             "a.example:x",
                             "a.example:-1",
                             "a.example:65536",
                             "a.example:0",
                             "a.example:+80",
                             ":80",
                             ".",
                             "a..example",
                             "-a.example",
                             "a.example\"",
                             "a,b",
                             "a.example, a.example",
                             "300.1.1.1",
                             "1.2.3",
                             "0x7f.1",
                             "[::1",
                             "::1",
                             "[::1]x",
                             "[]",
                             "[a.example]",
                             "[fe80::1%25eth0]",
                             "[192.0.2.1]",
                             "a.example?",
                             "a.example#",
                             "\xc3\xbc.example",
                             "*.example",
                             "http://a.example"})
        CHECK(status_for_host(host) == 400);
    CHECK(status_for_host(std::string(64, 'a') + ".example") == 400);
    CHECK(status_for_host(std::string(63, 'a') + ".example") == 0);
    CHECK(status_for_host("a.example:" + std::string(300, '0') + "80") == 400);
}

TEST_CASE("a whole URL names a host, and the one of the Host header")
{
    for (const char* target : {"http://b.example/", "http://a.example:81/", "https://a.example:80/",
                               "http:///x", "http://", "http://u@a.example/", "http://a.example?x",
                               "ftp://a.example/", "http:a.example", "a.example", "a.example:80",
                               "http:/a.example/", "http://a.example/#x", "http://192.0.2.1/", "x"})
        CHECK(status_for_target(target) == 400);
    CHECK(status_for_target("http://a.example:80/") == 0);
    CHECK(status_for_request("GET http://a.example/ HTTP/1.1\r\n\r\n") == 400);
    CHECK(status_for_request("GET http://a.example/ HTTP/1.1\r\nHost:\r\n\r\n") == 400);
    CHECK(status_for_request("GET http://a.example/ HTTP/1.1\r\nHost: a b\r\n\r\n") == 400);
}

TEST_CASE("a target has no blanks, no control characters and no fragment")
{
    for (const std::string_view target : {"/a b"sv, "/a\tb"sv, "/\0"sv, "/\x7f"sv, "/#"sv, "/a#b"sv,
                                          " /"sv, "/ "sv, "/\x1f"sv, "*"sv, "?x"sv, ""sv, "**"sv})
        CHECK(status_for_target(target) == 400);
    CHECK(status_for_target("**", "OPTIONS") == 400);
}

TEST_CASE("a method that is no token is refused, and CONNECT")
{
    CHECK(status_for_target("a.example:443", "CONNECT") == 405);
    CHECK(status_for_target("/", "CONNECT") == 405);
    for (const char* method : {"G\"T", "G@T", "(GET)", "GET:", "", "G\tT", "G\xc3\xa4T", "{"})
        CHECK(status_for_target("/", method) == 400);
    CHECK(status_for_target("/", std::string(65, 'M')) == 400);
}

TEST_CASE("a version of HTTP that is not spoken here is told from what is no HTTP")
{
    const auto status_for_version = [](std::string_view version) {
        return status_for_request("GET / " + std::string(version) + "\r\nHost: a\r\n\r\n");
    };
    for (const char* version : {"HTTP/2.0", "HTTP/2", "HTTP/0.9", "HTTP/1.2", "HTTP/3", "HTTP/11.1",
                                "HTTP/1.10", "HTTP/1.1x", "HTTP/1,1"})
        CHECK(status_for_version(version) == 505);
    for (const char* version : {"http/1.1", "HTTP/", "HTTP/x.1", "HTTPS/1.1", "HTTP 1.1", "1.1",
                                "ICY/1.0", "HTTP/1.1 ", "HTTP /1.1", "HTTP/+1.1"})
        CHECK(status_for_version(version) == 400);
    CHECK(status_for_request("GET /\r\n") == 400);
    CHECK(status_for_request("GET\r\n") == 400);
    CHECK(status_for_request("GET  HTTP/1.1\r\nHost: a\r\n\r\n") == 400);
    CHECK(status_for_request("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n") == 505);
}

TEST_CASE("a header has a name, and no blank before its colon")
{
    for (const char* line :
         {": x", "Name : x", "Name\t: x", "Na me: x", "Name", "Name=x", "N@me: x", "N(: x",
          "N\"ame\": x", "N\xc3\xa4me: x", " : x", "Content-Length : 5",
          "Transfer-Encoding\t: chunked", "N\\: x", "N{}: x"})
        CHECK(status_for_lines(std::string(line) + "\r\n") == 400);
    CHECK(status_for_request("GET / HTTP/1.1\r\n Host: a\r\nHost: a\r\n\r\n") == 400);
}

TEST_CASE("a header does not go on in the next line")
{
    CHECK(status_for_lines("X: a\r\n b\r\n") == 400);
    CHECK(status_for_lines("X: a\r\n\tb\r\n") == 400);
    CHECK(status_for_lines("X: a\r\n \r\n") == 400);
    CHECK(status_for_request("GET / HTTP/1.1\r\nHost:\r\n a.example\r\n\r\n") == 400);
    CHECK(status_for_request(
              "GET / HTTP/1.1\r\nTransfer-Encoding:\r\n chunked\r\nHost: a\r\n\r\n") == 400);
}

TEST_CASE("each line ends in CR LF, and neither stands anywhere else")
{
    CHECK(status_for_request("GET / HTTP/1.1\nHost: a\n\n") == 400);
    CHECK(status_for_request("GET / HTTP/1.1\r\nHost: a\n\r\n") == 400);
    CHECK(status_for_request("GET / HTTP/1.1\r\nHost: a\r\n\n") == 400);
    CHECK(status_for_request("GET / HTTP/1.1\r\nHost: a\r\nX: y\rz\r\n\r\n") == 400);
    CHECK(status_for_request("GET / HTTP/1.1\r\nHost: a\r\rX: y\r\n\r\n") == 400);
    CHECK(status_for_request("GET / HTTP/1.1\r\nHost: a\r\n\rGET / HTTP/1.1\r\n") == 400);
    CHECK(status_for_request("GET / HTTP/1.1\r\r\nHost: a\r\n\r\n") == 400);
    CHECK(status_for_request("\nGET / HTTP/1.1\r\nHost: a\r\n\r\n") == 400);
    CHECK(status_for_request("\r\rGET / HTTP/1.1\r\nHost: a\r\n\r\n") == 400);
    CHECK(status_for_lines("X: chunked\rTransfer-Encoding: chunked\r\n") == 400);
}

TEST_CASE("there are no control characters in a head")
{
    for (int c = 0; c < 0x20; ++c) {
        if (c == '\t' || c == '\r' || c == '\n')
            continue;
        CHECK(status_for_lines("X: a"s + static_cast<char>(c) + "b\r\n") == 400);
        CHECK(status_for_lines("X"s + static_cast<char>(c) + ": b\r\n") == 400);
    }
    CHECK(status_for_lines("X: \x7f\r\n") == 400);
    CHECK(status_for_lines("X: a\tb\xff\x80\r\n") == 0);
}

TEST_CASE("a Connection header names nothing that the server needs")
{
    for (const char* name : {"Host", "Content-Length", "transfer-encoding", "Connection", "Expect",
                             "Authorization", "Cookie", "Content-Type", "Content_Length"})
        CHECK(status_for_lines("Connection: keep-alive, "s + name + "\r\n") == 400);
    CHECK(status_for_lines("Connection: a b\r\n") == 400);
    CHECK(status_for_lines("Connection: x\r\nConnection: y, Host\r\n") == 400);
    std::string most = "Connection: a";
    for (int count = 1; count < 32; ++count)
        most += ",a";
    CHECK(status_for_lines(most + "\r\n") == 0);
    CHECK(status_for_lines(most + ",a\r\n") == 400);
}

TEST_CASE("nothing but 100-continue can be expected, and nobody authorizes itself twice")
{
    CHECK(status_for_lines("Expect: 200-ok\r\n") == 417);
    CHECK(status_for_lines("Expect:\r\n") == 417);
    CHECK(status_for_lines("Expect: 100-continue, x\r\n") == 417);
    CHECK(status_for_lines("Expect: 100-continue\r\nExpect: x\r\n") == 417);
    CHECK(status_for_lines("Authorization: a\r\nAuthorization: a\r\n") == 400);
}

TEST_CASE("who speaks another protocol is refused as soon as that shows")
{
    CHECK(bytes_until_wrong("\x16\x03\x01\x02\x00\x01\x00\x01\xfc"sv) == 1);
    CHECK(bytes_until_wrong("\x80\x2e\x01\x00\x02"sv) == 1);
    CHECK(bytes_until_wrong("SSH-2.0-OpenSSH_9.2\r\n") == 20);
    CHECK(bytes_until_wrong("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n") == 16);
    CHECK(bytes_until_wrong("EHLO mail.example\r\n") == 19);
    CHECK(bytes_until_wrong("GET / HTTP/1.1\n") == 15);
    CHECK(bytes_until_wrong("GET / HTTP/1.1\rX") == 16);
    CHECK(bytes_until_wrong("GET / HTTP/1.1\r\nHost: a\r\rX") == 25);
    CHECK(bytes_until_wrong("GET / HTTP/1.1\r\nHost: a\r\n\rX") == 27);
    CHECK(bytes_until_wrong("GET / HTTP/1.1\r\nHost: a\r\n\n") == 26);
    CHECK(bytes_until_wrong("GET /\x01") == 6);
    CHECK(bytes_until_wrong("GET / HTTP/1.1\r\nHost: a\r\n b") == 26);
    CHECK(bytes_until_wrong(std::string(100, 'A')) == 65);
    CHECK(bytes_until_wrong("{\"json\"") == 1);
    CHECK(bytes_until_wrong("GET / HTTP/1.1\r\nHost: a\r\n") == 0);
}

TEST_CASE("what is no head at all has no head in it")
{
    for (const std::string_view bytes : {""sv, "GET"sv, "\r\n"sv, "GET / HTTP/1.1\r\nHost: a\r\n"sv,
                                         "GET / HTTP/1.1\r\nHost: a\r\n\r\nx"sv})
        CHECK(std::get<MessageProblem>(parse_request_head(bytes)).status == 400);
    CHECK(find_request_head("", 0).is == HeadSearch::Is::incomplete);
    CHECK(find_request_head("GET", 1000).is == HeadSearch::Is::incomplete);
}
