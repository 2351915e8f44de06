// What is answered at the HTTP address, out of bytes.
#include <doctest/doctest.h>

#include <map>
#include <string>
#include <string_view>

#include <fmt/format.h>

#include "remote-proxy/fronts/http_answer.hpp"
#include "remote-proxy/http/error_pages.hpp"
#include "tests/unit/http/heads.hpp"

using namespace tunnel;
using By = HostKnown::By;

namespace {

const FindHost find_host = [](std::string_view host) {
    static const std::map<std::string_view, By> all{
        {"app.example.com", By::https}, {"db.example.com", By::tls}, {"web.example.com", By::http}};
    const auto found = all.find(host);
    return HostKnown{found == all.end() ? By::nobody : found->second};
};

std::string location_of(const HttpAnswer& answer)
{
    for (const auto& [name, value] : answer.response.headers) {
        if (name == "Location")
            return value;
    }
    return "";
}

// To these bytes, however they come.
HttpAnswer answer_to_bytes(std::string_view bytes, std::uint16_t port = 443, bool webroot = true)
{
    const HeadSearch search = find_both_ways(find_request_head, bytes);
    REQUIRE(search.is != HeadSearch::Is::incomplete);
    if (search.is == HeadSearch::Is::wrong)
        return answer_to(search.problem);
    const auto parsed = parse_request_head(bytes.substr(0, search.size));
    if (const auto* const problem = std::get_if<MessageProblem>(&parsed))
        return answer_to(*problem);
    return answer_to(std::get<RequestHead>(parsed), {find_host, port, webroot});
}

unsigned status_of(const HttpAnswer& answer)
{
    return answer.own ? answer.own->status : answer.response.status;
}

// What stands there for people.
std::string words_of(const HttpAnswer& answer)
{
    return answer.own ? answer.own->message : answer.response.body;
}

HttpAnswer to_get(std::string_view target, std::string_view host = "app.example.com")
{
    return answer_to_bytes(fmt::format("GET {} HTTP/1.1\r\nHost: {}\r\n\r\n", target, host));
}

unsigned status_for_host(std::string_view host)
{
    return status_of(to_get("/", host));
}

bool is_bad(const HttpAnswer& answer)
{
    return answer.counted_as == &HttpCounts::bad_request && status_of(answer) >= 400 &&
           answer.why != "" && location_of(answer).empty();
}

} // namespace

TEST_CASE("a request for a name that https has goes there, its path and query as they came")
{
    const HttpAnswer answer = to_get("/a/b?c=d&e=%20");
    CHECK(status_of(answer) == 308);
    CHECK(answer.counted_as == &HttpCounts::redirected);
    CHECK(answer.why == "");
    CHECK(location_of(answer) == "https://app.example.com/a/b?c=d&e=%20");
    for (const std::string_view target :
         {"/", "/?", "//evil.example.net/", "/../..//x", "/%2e%2e/%2F", "/\\evil", "/@evil.net",
          "/%", "/100%25%zz", "/a?b?c/../d", "/%0d%0aSet-Cookie:%20a=b", "/%00", "/?q=one%0Atwo",
          "/;/a:b"})
        CHECK(location_of(to_get(target)) == fmt::format("https://app.example.com{}", target));
}

TEST_CASE("a redirect names the port of https unless it is the usual one")
{
    const auto location_at = [](std::uint16_t port) {
        return location_of(
            answer_to_bytes("GET /a HTTP/1.1\r\nHost: app.example.com\r\n\r\n", port));
    };
    CHECK(location_at(443) == "https://app.example.com/a");
    CHECK(location_at(8443) == "https://app.example.com:8443/a");
}

TEST_CASE("a redirect has the canonical name, whatever the Host header makes of it")
{
    for (const std::string_view host :
         {"app.example.com", "APP.Example.COM", "app.example.com.", "app.example.com:80",
          "app.example.com:", "App.Example.com.:65535", "app.example.com:00080"})
        CHECK(location_of(to_get("/x", host)) == "https://app.example.com/x");
}

TEST_CASE("a redirect keeps every method, and takes no body")
{
    for (const std::string_view method : {"HEAD", "POST", "PUT", "DELETE", "PATCH", "PROPFIND"}) {
        const HttpAnswer answer =
            answer_to_bytes(fmt::format("{} /a HTTP/1.1\r\nHost: app.example.com\r\n\r\n", method));
        CHECK(status_of(answer) == 308);
        CHECK(location_of(answer) == "https://app.example.com/a");
    }
    for (const std::string_view body :
         {"Content-Length: 3\r\n\r\nabc", "Content-Length: 9223372036854775807\r\n\r\nabc",
          "Transfer-Encoding: chunked\r\n\r\nffffffffff\r\n",
          "Expect: 100-continue\r\nContent-Length: 9\r\n\r\n"}) {
        const HttpAnswer answer =
            answer_to_bytes(fmt::format("POST /a HTTP/1.1\r\nHost: app.example.com\r\n{}", body));
        CHECK(status_of(answer) == 308);
    }
}

TEST_CASE("a name that nobody has, or none, is not found")
{
    for (const std::string_view host :
         {"evil.example.net", "example.com", "x.app.example.com", "app.example.com.evil.net",
          "127.0.0.1", "127.0.0.1:80", "[::1]", "[2001:db8::1]:80", ""}) {
        const HttpAnswer answer = to_get("/", host);
        CHECK(status_of(answer) == 404);
        CHECK(words_of(answer).find("no server has this name here") != std::string::npos);
        CHECK(answer.counted_as == &HttpCounts::unknown_host);
        CHECK(location_of(answer) == "");
    }
    CHECK(status_of(answer_to_bytes("GET / HTTP/1.0\r\n\r\n")) == 404);
}

TEST_CASE("a name that speaks TLS only says so, and where")
{
    const HttpAnswer answer =
        answer_to_bytes("GET / HTTP/1.1\r\nHost: db.example.com\r\n\r\n", 8443);
    CHECK(status_of(answer) == 404);
    CHECK(answer.counted_as == &HttpCounts::unknown_host);
    CHECK(words_of(answer).find("TLS only, at port 8443") != std::string::npos);
    CHECK(location_of(answer) == "");
}

TEST_CASE("what is no host is refused")
{
    for (const std::string_view host : {"a b",
                                        "a/b",
                                        "user@app.example.com",
                                        "app.example.com:x",
                                        "app.example.com:65536",
                                        "app.example.com:-1",
                                        "app.example.com:80:80",
                                        "[::1",
                                        "[::1]x",
                                        "[::1]:x",
                                        "[app]",
                                        "::1",
                                        "app..example.com",
                                        "-a.example.com",
                                        "999.1.1.1",
                                        "app.example.com..",
                                        ".",
                                        ":80",
                                        "app.example.com,evil.net",
                                        "%61pp.example.com",
                                        "app.example.com\\",
                                        "a\tb"})
        CHECK_MESSAGE(status_for_host(host) == 400, host);
    CHECK(status_for_host(std::string(254, 'a')) == 400);
    CHECK(status_for_host(std::string("app.example.com\0.evil", 21)) == 400);
}

TEST_CASE("a request that two servers could understand in two ways is refused")
{
    for (const std::string_view head :
         {"Host: app.example.com\r\nHost: app.example.com\r\n", "",
          "Host: app.example.com\r\nHost: evil.net\r\n", "Host: app.example.com\r\n evil\r\n",
          "Host: app.example.com\r\nContent-Length: 1\r\nContent-Length: 1\r\n",
          "Host: app.example.com\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n",
          "Host: app.example.com\r\nTransfer-Encoding: chunked, chunked\r\n",
          "Host: app.example.com\r\nTransfer-Encoding: gzip\r\n",
          "Host: app.example.com\r\nContent-Length: -1\r\n", "Host : app.example.com\r\n",
          "Host: app.example.com\nX: y\r\n", "Host: app.example.com\rX: y\r\n"}) {
        const auto bytes = fmt::format("POST / HTTP/1.1\r\n{}\r\n", head);
        CHECK_MESSAGE(is_bad(answer_to_bytes(bytes)), bytes);
    }
    CHECK(is_bad(answer_to_bytes("POST / HTTP/1.0\r\nHost: app.example.com\r\n"
                                 "Transfer-Encoding: chunked\r\n\r\n")));
}

TEST_CASE("a whole URL counts, and the Host header must name the same host")
{
    const auto to_url = [](std::string_view url, std::string_view host) {
        return to_get(url, host);
    };
    CHECK(location_of(to_url("http://app.example.com/a?b", "app.example.com")) ==
          "https://app.example.com/a?b");
    CHECK(location_of(to_url("http://APP.example.com:80", "app.example.com")) ==
          "https://app.example.com/");
    CHECK(location_of(to_url("HTTPS://app.example.com/?b", "app.example.com.")) ==
          "https://app.example.com/?b");
    CHECK(location_of(answer_to_bytes("GET http://app.example.com/a HTTP/1.0\r\n\r\n")) ==
          "https://app.example.com/a");
    for (const std::string_view url :
         {"http://evil.net/", "http://evil.net@app.example.com/", "http:///a", "http://", "//",
          "ftp://app.example.com/", "http://app.example.com:x/", "http://app.example.com?b",
          "http://app.example.com#a"})
        CHECK_MESSAGE(location_of(to_url(url, "app.example.com")) ==
                          (url == "//" ? "https://app.example.com//" : ""),
                      url);
    CHECK(is_bad(to_url("http://app.example.com/", "evil.net")));
    CHECK(is_bad(to_url("http://app.example.com/", "")));
    CHECK(is_bad(to_url("http://127.0.0.1/", "app.example.com")));
    CHECK(is_bad(answer_to_bytes("GET http://app.example.com/ HTTP/1.1\r\n\r\n")));
}

TEST_CASE("a target that is no path is refused")
{
    for (const std::string_view target : {"app", "*", "/a b", "/a#b", "/\x80", "/\x7f", "?a",
                                          "app.example.com:443", "/a\tb", "/\x01"})
        CHECK_MESSAGE(is_bad(to_get(target)), target);
    CHECK(is_bad(answer_to_bytes("CONNECT app.example.com:443 HTTP/1.1\r\n"
                                 "Host: app.example.com\r\n\r\n")));
    CHECK(is_bad(answer_to_bytes("OPTIONS * HTTP/1.1\r\nHost: app.example.com\r\n\r\n")));
    CHECK(is_bad(answer_to_bytes(std::string_view("GET /\0 HTTP/1.1\r\n", 17))));
}

TEST_CASE("a head has a bound, however it is filled")
{
    const std::string much(largest_head, 'a');
    CHECK(status_of(to_get("/" + much)) == 431);
    CHECK(status_of(answer_to_bytes("GET /" + much)) == 431);
    CHECK(status_of(answer_to_bytes("GET / HTTP/1.1\r\nA: " + much)) == 431);
    std::string many = "GET / HTTP/1.1\r\nHost: a\r\n";
    for (std::size_t i = 0; i < most_fields; ++i)
        many += "A: b\r\n";
    CHECK(status_of(answer_to_bytes(many + "\r\n")) == 431);
}

TEST_CASE("what speaks another protocol hears so at once")
{
    const HttpAnswer tls = answer_to_bytes(std::string_view("\x16\x03\x01\x02\x00\x01", 6));
    CHECK(status_of(tls) == 400);
    CHECK(words_of(tls).find("this is TLS") != std::string::npos);
    CHECK(is_bad(tls));
    for (const std::string_view bytes :
         {"SSH-2.0-OpenSSH_9.2\r\n", "PROXY TCP4 192.0.2.1 192.0.2.2 1 80\r\n", "\x05\x01",
          "EHLO a\r\n", "GET /\r\n", "{\"a\":1}\r\n", "\x80\r\n",
          "\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n"}) {
        const HttpAnswer answer = answer_to_bytes(bytes);
        CHECK(is_bad(answer));
        CHECK(status_of(answer) == 400);
    }
    CHECK(status_of(answer_to_bytes("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")) == 505);
}

TEST_CASE("an ACME challenge is looked for by its token, whatever the host")
{
    const std::string longest(128, 'a');
    for (const std::string& token : {std::string("a"), std::string("Az09-_"), longest}) {
        for (const std::string_view host :
             {"app.example.com", "db.example.com", "evil.net", "192.0.2.1", "[::1]:80", ""}) {
            const HttpAnswer answer = to_get("/.well-known/acme-challenge/" + token, host);
            CHECK(answer.token == token);
            CHECK(answer.counted_as == &HttpCounts::acme);
        }
    }
    CHECK(to_get("/.well-known/acme-challenge/a?b=c").token == "a");
    CHECK(answer_to_bytes("HEAD /.well-known/acme-challenge/a HTTP/1.1\r\nHost: b\r\n\r\n").token ==
          "a");
    CHECK(answer_to_bytes("GET /.well-known/acme-challenge/a HTTP/1.0\r\n\r\n").token == "a");
}

TEST_CASE("no name but that of a token reaches the folder of challenges")
{
    for (const std::string_view rest :
         {"", ".", "..", "../", "../../etc/passwd", "%2e%2e", "..%2f..%2fetc%2fpasswd", "a/b", "a/",
          "a%00", "a%61", "a.b", "/a", "\\a", "a;b", "~", "?a", "%"}) {
        const HttpAnswer answer = to_get(fmt::format("/.well-known/acme-challenge/{}", rest));
        CHECK_MESSAGE(answer.token == "", rest);
        CHECK(status_of(answer) == 404);
        CHECK(answer.counted_as == &HttpCounts::acme);
        CHECK(location_of(answer) == "");
    }
    CHECK(to_get("/.well-known/acme-challenge/" + std::string(129, 'a')).token == "");
    for (const std::string_view target :
         {"/.well-known/acme-challenge", "/.well-known/./acme-challenge/a",
          "//.well-known/acme-challenge/a", "/.well-known/acme-challengea",
          "/%2ewell-known/acme-challenge/a"}) {
        CHECK(to_get(target).token == "");
        CHECK(status_of(to_get(target)) == 308);
    }
}

TEST_CASE("an ACME challenge is only read")
{
    const HttpAnswer answer = answer_to_bytes(
        "POST /.well-known/acme-challenge/a HTTP/1.1\r\nHost: b\r\nContent-Length: 9\r\n\r\n");
    CHECK(status_of(answer) == 405);
    CHECK(answer.token == "");
    REQUIRE(answer.response.headers.size() == 1);
    CHECK(answer.response.headers[0].first == "Allow");
    CHECK(answer.response.headers[0].second == "GET, HEAD");
}

TEST_CASE("without a folder for them ACME challenges go where all other paths go")
{
    const HttpAnswer answer = answer_to_bytes(
        "GET /.well-known/acme-challenge/a HTTP/1.1\r\nHost: app.example.com\r\n\r\n", 443, false);
    CHECK(answer.token == "");
    CHECK(location_of(answer) == "https://app.example.com/.well-known/acme-challenge/a");
}

TEST_CASE("the file of an ACME challenge is the answer, and only what is odd is for the log")
{
    const auto to_file = [](AcmeFile::Is is, std::string why) {
        return answer_to(AcmeFile{is, "content", std::move(why)});
    };
    const HttpAnswer there = to_file(AcmeFile::Is::there, "");
    CHECK(status_of(there) == 200);
    CHECK(there.response.body == "content");
    CHECK(there.response.content_type == "application/octet-stream");
    CHECK(status_of(to_file(AcmeFile::Is::missing, "")) == 404);
    CHECK(to_file(AcmeFile::Is::missing, "").why == "");
    CHECK(status_of(to_file(AcmeFile::Is::refused, "a FIFO")) == 404);
    CHECK(words_of(to_file(AcmeFile::Is::refused, "a FIFO")).find("FIFO") == std::string::npos);
    CHECK(to_file(AcmeFile::Is::refused, "a FIFO").why.find("a FIFO") != std::string::npos);
    CHECK(status_of(to_file(AcmeFile::Is::not_now, "slow")) == 503);
    CHECK(to_file(AcmeFile::Is::not_now, "slow").counted_as == &HttpCounts::acme);
}

TEST_CASE("an answer does not say which program gives it, nor is it stored")
{
    const ErrorPages pages;
    Sending sending;
    for (const HttpAnswer& answer : {to_get("/"), to_get("/", "evil.net"), to_get("app")}) {
        const std::string bytes = encode(
            answer.own ? pages.response(*answer.own, "", "evil.net") : answer.response, sending);
        CHECK(bytes.find("Server:") == std::string::npos);
        CHECK(bytes.find("Content-Type: text/plain; charset=utf-8\r\n") != std::string::npos);
        CHECK(bytes.find("Connection: close\r\n") != std::string::npos);
        CHECK(bytes.find("Cache-Control: no-store\r\n") != std::string::npos);
    }
    CHECK(encode(to_get("/").response, sending).starts_with("HTTP/1.1 308 Permanent Redirect\r\n"));
}

TEST_CASE("a request for a service is not answered here, but challenges are")
{
    const HttpAnswer answer = to_get("/", "web.example.com");
    CHECK(answer.is_for_service);
    CHECK_FALSE(answer.own);
    CHECK(answer.why == "");
    CHECK(answer.token == "");
    CHECK(to_get("*", "web.example.com").own);
    CHECK(answer_to_bytes("OPTIONS * HTTP/1.1\r\nHost: web.example.com\r\n\r\n").is_for_service);
    CHECK_FALSE(to_get("/.well-known/acme-challenge/a", "web.example.com").is_for_service);
    CHECK_FALSE(to_get("/").is_for_service);
}

TEST_CASE("a head that does not become whole in time is told so")
{
    CHECK(status_of(answer_to_timeout()) == 408);
    CHECK(answer_to_timeout().counted_as == &HttpCounts::timeout);
    CHECK(answer_to_timeout().why != "");
}
