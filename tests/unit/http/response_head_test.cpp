// Heads of responses: what is understood of them, and which are refused.
#include <doctest/doctest.h>

#include <string>
#include <string_view>

#include "tests/unit/http/heads.hpp"

using namespace tunnel;
using namespace std::string_literals;
using namespace std::string_view_literals;
using Is = BodySize::Is;

namespace {

BodySize body_of(std::string_view status, std::string_view lines, bool to_head_request = false)
{
    return response_of("HTTP/1.1 " + std::string(status) + " x\r\n" + std::string(lines) + "\r\n",
                       to_head_request)
        ->body;
}

bool goes_on(std::string_view version, std::string_view lines)
{
    return response_of("HTTP/" + std::string(version) + " 200 OK\r\n" + std::string(lines) + "\r\n")
        ->keep_alive;
}

} // namespace

TEST_CASE("a response is understood")
{
    const auto response = response_of("HTTP/1.1 404 Not  Found at all\r\n"
                                      "Content-Type: text/html\r\n"
                                      "Content-Length:12\r\n"
                                      "Set-Cookie: a=b\r\n"
                                      "Set-Cookie: c=d\r\n"
                                      "\r\n");
    CHECK(response->status == 404);
    CHECK(response->reason == "Not  Found at all");
    CHECK_FALSE(response->is_http_1_0);
    CHECK(response->keep_alive);
    CHECK(response->body == BodySize{Is::length, 12});
    CHECK_FALSE(response->is_interim);
    CHECK_FALSE(response->is_upgrade);
    CHECK_FALSE(response->is_connection_bound);
    REQUIRE(response->fields.size() == 4);
    CHECK(response->fields[3] == HeaderField{"Set-Cookie", "c=d"});
}

TEST_CASE("a response may give no reason, and leave out the blank before it")
{
    CHECK(response_of("HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n")->reason.empty());
    const auto without = response_of("HTTP/1.0 302\r\nLocation: /\r\nContent-Length: 2\r\n\r\n");
    CHECK(without->status == 302);
    CHECK(without->reason.empty());
    CHECK(without->is_http_1_0);
    CHECK(without->body.length == 2);
    CHECK(without->fields.front() == HeaderField{"Location", "/"});
    CHECK(response_of("HTTP/1.1 204\r\n\r\n")->body.is == Is::none);
    CHECK(response_of("HTTP/1.1 200 caf\xe9\t!\r\n\r\n")->reason == "caf\xe9\t!");
}

TEST_CASE("the body of a response ends as its head, its status and the request say")
{
    CHECK(body_of("200", "") == BodySize{Is::until_end, 0});
    CHECK(body_of("200", "Content-Length: 5\r\n") == BodySize{Is::length, 5});
    CHECK(body_of("500", "Content-Length: 0\r\n") == BodySize{Is::length, 0});
    CHECK(body_of("200", "Transfer-Encoding: chunked\r\n") == BodySize{Is::chunked, 0});
    for (const char* status : {"100", "101", "103", "199", "204", "304"}) {
        CHECK(body_of(status, "") == BodySize{});
        CHECK(body_of(status, "Content-Length: 5\r\n") == BodySize{});
        CHECK(body_of(status, "Transfer-Encoding: chunked\r\n") == BodySize{});
    }
    for (const char* lines : {"", "Content-Length: 5\r\n", "Transfer-Encoding: chunked\r\n"})
        CHECK(body_of("200", lines, true) == BodySize{});
    CHECK(body_of("205", "Content-Length: 0\r\n") == BodySize{Is::length, 0});
    CHECK(body_of("999", "Content-Length: 1\r\n") == BodySize{Is::length, 1});
}

TEST_CASE("a connection goes on after a response whose end is known")
{
    CHECK(goes_on("1.1", "Content-Length: 1\r\n"));
    CHECK(goes_on("1.1", "Transfer-Encoding: chunked\r\nConnection: keep-alive\r\n"));
    CHECK_FALSE(goes_on("1.1", ""));
    CHECK_FALSE(goes_on("1.1", "Connection: keep-alive\r\n"));
    CHECK_FALSE(goes_on("1.1", "Content-Length: 1\r\nConnection: Close\r\n"));
    CHECK_FALSE(goes_on("1.0", "Content-Length: 1\r\n"));
    CHECK(goes_on("1.0", "Content-Length: 1\r\nConnection: keep-alive\r\n"));
    CHECK_FALSE(goes_on("1.0", "Connection: keep-alive\r\n"));
}

TEST_CASE("after a 204 that tells of a body the connection is not used again")
{
    const auto goes_on_after = [](std::string_view lines) {
        return response_of("HTTP/1.1 204 No Content\r\n" + std::string(lines) + "\r\n")->keep_alive;
    };
    CHECK(goes_on_after(""));
    CHECK(goes_on_after("Content-Length: 0\r\n"));
    CHECK_FALSE(goes_on_after("Content-Length: 3\r\n"));
    CHECK_FALSE(goes_on_after("Transfer-Encoding: chunked\r\n"));
    CHECK(response_of("HTTP/1.1 304 x\r\nContent-Length: 3\r\n\r\n")->keep_alive);
    CHECK(response_of("HTTP/1.1 200 x\r\nContent-Length: 3\r\n\r\n", true)->keep_alive);
}

TEST_CASE("an interim response is told from one that changes the protocol")
{
    for (const char* status : {"100", "102", "103", "199"}) {
        const auto response = response_of("HTTP/1.1 "s + status + " x\r\n\r\n");
        CHECK(response->is_interim);
        CHECK_FALSE(response->is_upgrade);
        CHECK(response->keep_alive);
    }
    const auto upgrade = response_of("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                                     "Connection: Upgrade\r\n\r\n");
    CHECK(upgrade->is_upgrade);
    CHECK_FALSE(upgrade->is_interim);
}

TEST_CASE("a response that authenticates the connection is noticed")
{
    const auto binds = [](std::string_view line) {
        return response_of("HTTP/1.1 401 x\r\nContent-Length: 0\r\n" + std::string(line) +
                           "\r\n\r\n")
            ->is_connection_bound;
    };
    CHECK(binds("WWW-Authenticate: NTLM"));
    CHECK(binds("www-authenticate: negotiate"));
    CHECK(binds("WWW-Authenticate: NTLM TlRMTVNTUAACAAAAAAAAACgAAAABggAA"));
    CHECK(binds("WWW-Authenticate: Basic realm=\"a\", Negotiate"));
    CHECK(binds("WWW-Authenticate: Basic realm=\"a\"\r\nWWW-Authenticate: NTLM"));
    CHECK(binds("Proxy-Authenticate: NTLM"));
    CHECK_FALSE(binds("WWW-Authenticate: Basic realm=\"NTLM\""));
    CHECK_FALSE(binds("WWW-Authenticate: Bearer"));
    CHECK_FALSE(binds("X-Authenticate: NTLM"));
}

TEST_CASE("a response is read as strictly as a request")
{
    for (const std::string_view lines :
         {"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"sv,
          "Content-Length: 5\r\nContent-Length: 5\r\n"sv, "Content-Length: 5, 5\r\n"sv,
          "Content-Length: +5\r\n"sv, "Content-Length: \r\n"sv, "Content-Length : 5\r\n"sv,
          "Transfer-Encoding: gzip, chunked\r\n"sv, "Transfer-Encoding: identity\r\n"sv,
          "Content_Length: 5\r\n"sv, "Connection: content-length\r\n"sv, "X: a\r\n b\r\n"sv,
          "X: a\nY: b\r\n"sv, "X: a\rY: b\r\n"sv, "X: a\0b\r\n"sv, "X\r\n"sv, ": x\r\n"sv})
        CHECK(status_for_response(ok_with(lines)) == 502);
    CHECK(status_for_response("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n") == 502);
    for (const std::string_view begin :
         {"HTTP/2 200 OK"sv, "HTTP/1.2 200 OK"sv, "HTTP/1.1 20 OK"sv, "HTTP/1.1  200 OK"sv,
          "HTTP/1.1 2000 OK"sv, "HTTP/1.1 200OK"sv, "HTTP/1.1 099 OK"sv, "HTTP/1.1 2x0 OK"sv,
          "http/1.1 200 OK"sv, "ICY 200 OK"sv, " HTTP/1.1 200 OK"sv, "\r\nHTTP/1.1 200 OK"sv,
          "HTTP/1.1\t200 OK"sv, "HTTP/1.1 200\tOK"sv, "HTTP/1.1 200 \x01"sv, "GET / HTTP/1.1"sv,
          "HTTP/1.1 -20 OK"sv})
        CHECK(status_for_response(std::string(begin) + "\r\n\r\n") == 502);
    std::string lines;
    for (std::size_t i = 0; i < most_fields; ++i)
        lines += "A: b\r\n";
    CHECK(status_for_response(ok_with(lines)) == 0);
    CHECK(status_for_response(ok_with(lines + "A: b\r\n")) == 502);
    CHECK(status_for_response(ok_with("A: " + std::string(largest_head, 'b') + "\r\n")) == 502);
}

TEST_CASE("what is no response is noticed at its first wrong byte")
{
    CHECK(find_response_head("H", 0).is == HeadSearch::Is::incomplete);
    CHECK(find_response_head("HTTP/1.1 20", 0).is == HeadSearch::Is::incomplete);
    CHECK(find_response_head("S", 0).is == HeadSearch::Is::wrong);
    CHECK(find_response_head("HTTP/2", 0).is == HeadSearch::Is::wrong);
    CHECK(find_response_head("\r", 0).is == HeadSearch::Is::wrong);
    CHECK(find_response_head("", 0).is == HeadSearch::Is::incomplete);
    for (const std::string_view bytes : {""sv, "HTTP/1.1 200"sv, "HTTP/1.1 200 OK\r\n\r\nx"sv})
        CHECK(std::get<MessageProblem>(parse_response_head(bytes, false)).status == 502);
}
