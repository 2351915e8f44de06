// Heads of requests that are taken, and what is understood of them.
#include <doctest/doctest.h>

#include <string>
#include <string_view>

#include "tests/unit/http/heads.hpp"

using namespace tunnel;
using Is = BodySize::Is;

TEST_CASE("a request is understood")
{
    const auto request = request_of("GET /a/b?c=d&e HTTP/1.1\r\n"
                                    "Host: App.Example.com:8080\r\n"
                                    "Accept:text/html \t\r\n"
                                    "Authorization: Basic abc\r\n"
                                    "X-Empty:\r\n"
                                    "\r\n");
    CHECK(request->method == "GET");
    CHECK(request->target == "/a/b?c=d&e");
    CHECK(request->path_and_query == "/a/b?c=d&e");
    CHECK(request->host_text == "App.Example.com:8080");
    CHECK(request->host == "app.example.com");
    CHECK_FALSE(request->is_http_1_0);
    CHECK(request->keep_alive);
    CHECK_FALSE(request->is_head);
    CHECK(request->is_safe);
    CHECK_FALSE(request->wants_upgrade);
    CHECK_FALSE(request->expects_continue);
    CHECK(request->authorization == "Basic abc");
    CHECK(request->body == BodySize{});
    REQUIRE(request->fields.size() == 4);
    CHECK(request->fields[1] == HeaderField{"Accept", "text/html"});
    CHECK(request->fields[3] == HeaderField{"X-Empty", ""});
}

TEST_CASE("the body of a request is as long as its head says")
{
    const auto body_of = [](std::string_view lines) {
        return request_of("POST / HTTP/1.1\r\nHost: a.example\r\n" + std::string(lines) + "\r\n")
            ->body;
    };
    CHECK(body_of("") == BodySize{Is::none, 0});
    CHECK(body_of("Content-Length: 0\r\n") == BodySize{Is::length, 0});
    CHECK(body_of("content-length: 12345678901\r\n") == BodySize{Is::length, 12345678901});
    CHECK(body_of("Content-Length: 007\r\n") == BodySize{Is::length, 7});
    CHECK(body_of("Content-Length: 9223372036854775807\r\n") ==
          BodySize{Is::length, 9223372036854775807});
    CHECK(body_of("Transfer-Encoding: chunked\r\n") == BodySize{Is::chunked, 0});
    CHECK(body_of("transfer-encoding:\tCHUNKED \r\n") == BodySize{Is::chunked, 0});
}

TEST_CASE("a method that nobody knows passes, and a safe one is known")
{
    const auto of = [](std::string_view method) {
        return request_of(std::string(method) + " / HTTP/1.1\r\nHost: a.example\r\n\r\n");
    };
    for (const char* method :
         {"POST", "PUT", "DELETE", "PROPFIND", "M-SEARCH", "get", "Q!x", "head"}) {
        const auto request = of(method);
        CHECK(request->method == method);
        CHECK_FALSE(request->is_safe);
        CHECK_FALSE(request->is_head);
    }
    for (const char* method : {"GET", "HEAD", "OPTIONS", "TRACE"})
        CHECK(of(method)->is_safe);
    CHECK(of("HEAD")->is_head);
    CHECK(of(std::string(64, 'M'))->method.size() == 64);
}

TEST_CASE("whether the visitor wants to go on is what its Connection headers say")
{
    const auto goes_on = [](std::string_view version, std::string_view lines) {
        return request_of("GET / HTTP/" + std::string(version) + "\r\nHost: a.example\r\n" +
                          std::string(lines) + "\r\n")
            ->keep_alive;
    };
    CHECK(goes_on("1.1", ""));
    CHECK_FALSE(goes_on("1.1", "Connection: close\r\n"));
    CHECK_FALSE(goes_on("1.1", "Connection: TE,\t Close\r\n"));
    CHECK_FALSE(goes_on("1.1", "Connection: keep-alive\r\nConnection: close\r\n"));
    CHECK(goes_on("1.1", "Connection: closed, ,\r\nProxy-Connection: close\r\n"));
    CHECK_FALSE(goes_on("1.0", ""));
    CHECK(goes_on("1.0", "Connection: Keep-Alive\r\n"));
    CHECK_FALSE(goes_on("1.0", "Connection: keep-alive, close\r\n"));
    CHECK_FALSE(goes_on("1.0", "Proxy-Connection: keep-alive\r\n"));
}

TEST_CASE("an upgrade is wanted when both headers say so, and it is none to HTTP/2")
{
    const auto wants = [](std::string_view lines) {
        return request_of(get_with(lines))->wants_upgrade;
    };
    CHECK(wants("Upgrade: websocket\r\nConnection: Upgrade\r\n"));
    CHECK(wants("Connection: keep-alive, upgrade\r\nUpgrade: foo/2, websocket\r\n"));
    CHECK_FALSE(wants("Upgrade: websocket\r\n"));
    CHECK_FALSE(wants("Connection: upgrade\r\n"));
    CHECK_FALSE(wants("Connection: upgrade\r\nUpgrade:\r\n"));
    CHECK_FALSE(wants("Connection: upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
                      "HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n"));
    CHECK_FALSE(wants("Connection: upgrade\r\nUpgrade: websocket\r\nUpgrade: foo, H2C\r\n"));
    CHECK_FALSE(wants("Connection: upgrade\r\nUpgrade: HTTP/2.0\r\n"));
    CHECK(wants("Connection: upgrade\r\nUpgrade: websocket\r\nContent-Length: 0\r\n"));
    CHECK_FALSE(wants("Connection: upgrade\r\nUpgrade: websocket\r\nContent-Length: 1\r\n"));
    CHECK_FALSE(wants("Connection: upgrade\r\nUpgrade: websocket\r\n"
                      "Transfer-Encoding: chunked\r\n"));
    CHECK_FALSE(request_of("GET / HTTP/1.0\r\nHost: a.example\r\nConnection: upgrade\r\n"
                           "Upgrade: websocket\r\n\r\n")
                    ->wants_upgrade);
}

TEST_CASE("a visitor who expects 100 has a body to send")
{
    CHECK(request_of(get_with("Expect: 100-Continue\r\nContent-Length: 5\r\n"))->expects_continue);
    CHECK(request_of(get_with("Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n"))
              ->expects_continue);
    CHECK_FALSE(request_of(get_with("Expect: 100-continue\r\n"))->expects_continue);
    CHECK_FALSE(
        request_of(get_with("Expect: 100-continue\r\nContent-Length: 0\r\n"))->expects_continue);
    CHECK_FALSE(request_of("GET / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n")
                    ->expects_continue);
}

TEST_CASE("a host is a name, an address, or nothing")
{
    const auto host_of = [](std::string_view text) {
        const auto request =
            request_of("GET / HTTP/1.1\r\nHost: " + std::string(text) + "\r\n\r\n");
        CHECK(request->host_text == text);
        return request->host;
    };
    CHECK(host_of("a.example") == "a.example");
    CHECK(host_of("A_b.Example.:443") == "a_b.example");
    CHECK(host_of("a.example:") == "a.example");
    CHECK(host_of("xn--bcher-kva.example:65535") == "xn--bcher-kva.example");
    CHECK(host_of("localhost") == "localhost");
    for (const char* text :
         {"", "192.0.2.1", "192.0.2.1:80", "[2001:db8::1]", "[::1]:8080", "[::ffff:192.0.2.1]:1"})
        CHECK(host_of(text).empty());
    const auto without = request_of("GET / HTTP/1.0\r\n\r\n");
    CHECK(without->host.empty());
    CHECK(without->host_text.empty());
    CHECK(without->is_http_1_0);
}

TEST_CASE("a target may be a whole URL")
{
    const auto of = [](std::string_view target, std::string_view host, std::string_view method) {
        return request_of(std::string(method) + " " + std::string(target) +
                          " HTTP/1.1\r\nHost: " + std::string(host) + "\r\n\r\n");
    };
    const auto whole = of("http://A.example:80/x?y", "a.EXAMPLE", "GET");
    CHECK(whole->path_and_query == "/x?y");
    CHECK(whole->target == "http://A.example:80/x?y");
    CHECK(whole->host_text == "A.example:80");
    CHECK(whole->host == "a.example");
    CHECK(of("HTTPS://a.example", "a.example:443", "GET")->path_and_query == "/");
    CHECK(of("http://a.example", "a.example.", "OPTIONS")->path_and_query == "*");
    CHECK(of("http://a.example/", "a.example", "OPTIONS")->path_and_query == "/");
    CHECK(of("http://[::1]:8080/", "[::1]:8080", "GET")->host_text == "[::1]:8080");
    CHECK(of("*", "a.example", "OPTIONS")->path_and_query == "*");
    CHECK(of("//a.example/x", "b.example", "GET")->path_and_query == "//a.example/x");
    CHECK(request_of("GET http://a.example/ HTTP/1.0\r\n\r\n")->host == "a.example");
}

TEST_CASE("a path passes as it came, with what should have been encoded")
{
    for (const char* target : {"/", "/a//b/../c", "/%zz", "/\"<>[]{}|\\^`", "/?a?b", "/\xc3\xa4"}) {
        const auto request =
            request_of(std::string("GET ") + target + " HTTP/1.1\r\nHost: a\r\n\r\n");
        CHECK(request->path_and_query == target);
    }
}

TEST_CASE("empty lines before a request belong to its head")
{
    std::string head = "\r\n\r\n\r\nGET /x HTTP/1.1\r\nHost: a.example\r\n\r\n";
    CHECK(request_of(head)->path_and_query == "/x");
    CHECK(find_request_head(std::string(16, '\r'), 0).is == HeadSearch::Is::wrong);
    for (int more = 3; more < 8; ++more)
        head.insert(0, "\r\n");
    CHECK(request_of(head)->host == "a.example");
    CHECK(status_for_request("\r\n" + head) == 400);
}

TEST_CASE("a head ends where it ends, whatever follows")
{
    const std::string first = "POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 3\r\n\r\n";
    for (const char* next : {"", "abc", "\r\n", " GET", "\x16\x03\x01", "GET / HTTP/1.1\r\n\r\n"}) {
        const HeadSearch search = find_both_ways(find_request_head, first + next);
        CHECK(search.is == HeadSearch::Is::whole);
        CHECK(search.size == first.size());
    }
}

TEST_CASE("a head of most fields and of most bytes is taken, and none that is larger")
{
    const auto with_fields = [](std::size_t count) {
        std::string lines;
        for (std::size_t i = 1; i < count; ++i)
            lines += "A: b\r\n";
        return get_with(lines);
    };
    CHECK(request_of(with_fields(most_fields))->fields.size() == most_fields);
    CHECK(status_for_request(with_fields(most_fields + 1)) == 431);

    const auto of_size = [](std::size_t size) {
        const std::size_t others = get_with("A: \r\n").size();
        return get_with("A: " + std::string(size - others, 'b') + "\r\n");
    };
    CHECK(request_of(of_size(largest_head))->host == "a.example");
    CHECK(status_for_request(of_size(largest_head + 1)) == 431);
    CHECK(find_request_head(of_size(largest_head + 1).substr(0, largest_head), 0).is ==
          HeadSearch::Is::wrong);
    CHECK(find_request_head(of_size(largest_head).substr(0, largest_head - 1), 0).is ==
          HeadSearch::Is::incomplete);
}
