// Heads as they are passed on.
#include <doctest/doctest.h>

#include <string>
#include <string_view>

#include "remote-proxy/http/forwarded_head.hpp"
#include "tests/unit/http/heads.hpp"

using namespace tunnel;
using namespace std::string_literals;

namespace {

ForwardRules rules()
{
    ForwardRules of_stranger;
    of_stranger.visitor_address = "192.0.2.7";
    of_stranger.scheme = "https";
    return of_stranger;
}

ForwardRules trusting()
{
    ForwardRules of_proxy = rules();
    of_proxy.trusts_visitor = true;
    return of_proxy;
}

std::string forwarded_request(const std::string& head, const ForwardRules& with = rules())
{
    std::string out;
    append_request(out, request_of(head).head, with);
    request_of(out); // whatever comes out of this is a good head again
    return out;
}

// What is added to a request of a stranger for a.example.
const std::string added = "X-Forwarded-For: 192.0.2.7\r\n"
                          "X-Forwarded-Host: a.example\r\n"
                          "X-Forwarded-Proto: https\r\n"
                          "Forwarded: for=192.0.2.7;host=a.example;proto=https\r\n";

// Of a GET with these lines, the lines that go on between the Host header and what is added.
std::string passed(std::string_view lines, const ForwardRules& with = rules())
{
    const std::string begin = "GET / HTTP/1.1\r\nHost: a.example\r\n";
    std::string out = forwarded_request(get_with(lines), with);
    REQUIRE(out.starts_with(begin));
    REQUIRE(out.ends_with(added + "\r\n"));
    return out.substr(begin.size(), out.size() - begin.size() - added.size() - 2);
}

// Of a request of one whose headers are believed: what is said of the visitor.
std::string said(std::string_view lines)
{
    const std::string begin = "GET / HTTP/1.1\r\nHost: a.example\r\n";
    const std::string out = forwarded_request(get_with(lines), trusting());
    REQUIRE(out.starts_with(begin));
    return out.substr(begin.size(), out.size() - begin.size() - 2);
}

std::string forwarded_response(const std::string& head, bool keep_alive = true,
                               bool to_http_1_0 = false)
{
    std::string out = "before";
    append_response(out, response_of(head).head, keep_alive, to_http_1_0);
    REQUIRE(out.starts_with("before"));
    return out.substr(6);
}

} // namespace

TEST_CASE("a request goes on as it came, and says for whom")
{
    CHECK(forwarded_request("POST http://A.example:80/x?y HTTP/1.1\r\n"
                            "Accept:  text/html\r\n"
                            "Host: a.example\r\n"
                            "cookie: a=b\r\n"
                            "Content-Length: 3\r\n"
                            "\r\n") == "POST /x?y HTTP/1.1\r\n"
                                       "Host: A.example:80\r\n"
                                       "Accept: text/html\r\n"
                                       "cookie: a=b\r\n"
                                       "Content-Length: 3\r\n"
                                       "X-Forwarded-For: 192.0.2.7\r\n"
                                       "X-Forwarded-Host: A.example:80\r\n"
                                       "X-Forwarded-Proto: https\r\n"
                                       "Forwarded: for=192.0.2.7;host=\"A.example:80\";"
                                       "proto=https\r\n"
                                       "\r\n");
    CHECK(passed("Transfer-Encoding: Chunked\r\nTrailer: X-Sum\r\n") ==
          "Transfer-Encoding: Chunked\r\nTrailer: X-Sum\r\n");
    CHECK(passed("Expect: 100-continue\r\nContent-Length: 1\r\n") ==
          "Expect: 100-continue\r\nContent-Length: 1\r\n");
    CHECK(passed("X-Empty:\r\nA: 1\r\nA: 2\r\nAuthorization: b\r\n") ==
          "X-Empty: \r\nA: 1\r\nA: 2\r\nAuthorization: b\r\n");
    CHECK(forwarded_request("OPTIONS * HTTP/1.1\r\nHost: a.example\r\n\r\n")
              .starts_with("OPTIONS * HTTP/1.1\r\n"));
}

TEST_CASE("another Host may be said to the origin server, which learns the visitor's all the same")
{
    ForwardRules with = rules();
    with.host_header = "localhost:5173";
    CHECK(forwarded_request(get_with(""), with) ==
          "GET / HTTP/1.1\r\nHost: localhost:5173\r\n" + added + "\r\n");
}

TEST_CASE("what is of one connection does not go on")
{
    CHECK(passed("Connection: keep-alive\r\nKeep-Alive: timeout=5\r\nProxy-Connection: close\r\n"
                 "Proxy-Authorization: Basic a\r\nProxy-Authenticate: Basic\r\nX: y\r\n"
                 "HTTP2-Settings: a\r\nUpgrade: websocket\r\nTE: gzip\r\n") == "X: y\r\n");
    CHECK(passed("Connection: close, x-one ,X-Two\r\nX-One: 1\r\nx-two: 2\r\nX-Three: 3\r\n"
                 "Connection: X-Four\r\nX-Four: 4\r\n") == "X-Three: 3\r\n");
    CHECK(passed("Proxy_Authorization: a\r\nHTTP2_Settings: a\r\nKeep_Alive: 1\r\n").empty());
}

TEST_CASE("who names the visitor's address as one of the connection does not get it dropped")
{
    CHECK(passed("Connection: X-Forwarded-For, Forwarded, X-Real-IP\r\n").empty());
    CHECK(said("Connection: X-Forwarded-For\r\nX-Forwarded-For: 198.51.100.1\r\n")
              .starts_with("X-Forwarded-For: 198.51.100.1, 192.0.2.7\r\n"));
}

TEST_CASE("trailers that a visitor takes are taken")
{
    CHECK(passed("TE: trailers\r\nConnection: TE\r\n") == "TE: trailers\r\nConnection: TE\r\n");
    CHECK(passed("TE: gzip;q=0.5, Trailers\r\n") == "TE: trailers\r\nConnection: TE\r\n");
    CHECK(passed("TE: trailersx\r\n").empty());
}

TEST_CASE("an upgrade goes on when it is wanted")
{
    CHECK(passed("Upgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n"
                 "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n") ==
          "Upgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
          "Connection: upgrade\r\n");
    CHECK(passed("Upgrade: websocket\r\nConnection: Upgrade\r\nTE: trailers\r\n") ==
          "Upgrade: websocket\r\nTE: trailers\r\nConnection: upgrade, TE\r\n");
    CHECK(passed("Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: a\r\n")
              .empty());
    CHECK(passed("Upgrade: websocket\r\n").empty());
}

TEST_CASE("a request of HTTP/1.0 stays one")
{
    CHECK(forwarded_request("GET / HTTP/1.0\r\nTE: trailers\r\nExpect: 100-continue\r\n\r\n") ==
          "GET / HTTP/1.0\r\n"
          "Connection: keep-alive\r\n"
          "X-Forwarded-For: 192.0.2.7\r\n"
          "X-Forwarded-Proto: https\r\n"
          "Forwarded: for=192.0.2.7;proto=https\r\n"
          "\r\n");
    CHECK(forwarded_request("GET / HTTP/1.0\r\nHost: a.example\r\nUpgrade: websocket\r\n"
                            "Connection: upgrade\r\n\r\n") ==
          "GET / HTTP/1.0\r\nHost: a.example\r\nConnection: keep-alive\r\n" + added + "\r\n");
    CHECK(forwarded_request("GET / HTTP/1.1\r\nHost:\r\n\r\n")
              .starts_with("GET / HTTP/1.1\r\nHost: \r\nX-Forwarded-For"));
}

TEST_CASE("what a stranger says of itself does not go on, however it is spelt")
{
    CHECK(passed("X-Forwarded-For: 10.0.0.1\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: b\r\n"
                 "X-Forwarded-User: root\r\nX-Forwarded-Port: 1\r\nX-Forwarded-: 1\r\n"
                 "X-Real-IP: 10.0.0.1\r\nForwarded: for=10.0.0.1\r\n")
              .empty());
    CHECK(passed("X_Forwarded_For: 10.0.0.1\r\nX-Forwarded_Proto: http\r\nx.forwarded.host: b\r\n"
                 "X_REAL_IP: 10.0.0.1\r\nX~Forwarded~User: root\r\nX_Forwarded-Prefix: /\r\n")
              .empty());
    CHECK(passed("X-Forwarded: 1\r\nX-ForwardedFor: 1\r\nX_Real: 1\r\n") ==
          "X-Forwarded: 1\r\nX-ForwardedFor: 1\r\nX_Real: 1\r\n");
}

TEST_CASE("who logged in is told, and with what stays here")
{
    ForwardRules with = rules();
    with.user = "anna";
    CHECK(passed("Authorization: Basic YW5uYTpi\r\nX-Forwarded-User: root\r\n"
                 "X_Forwarded_User: root\r\n",
                 with) == "X-Forwarded-User: anna\r\n");
    with.trusts_visitor = true;
    CHECK(passed("X-Forwarded-User: root\r\nAuthorization: Basic YW5uYTpi\r\n", with) ==
          "X-Forwarded-User: anna\r\n");
}

TEST_CASE("what one of ours says of a visitor goes on, and who that was is added")
{
    CHECK(said("") == added);
    CHECK(said("X-Forwarded-For: 198.51.100.1\r\nX-Forwarded-For: 2001:db8::1\r\n"
               "X-Forwarded-Proto: http\r\nX-Forwarded-Host: b.example:81\r\n"
               "X-Forwarded-Port: 81\r\nX-Real-IP: 198.51.100.1\r\n") ==
          "X-Forwarded-Proto: http\r\nX-Forwarded-Host: b.example:81\r\n"
          "X-Forwarded-Port: 81\r\nX-Real-IP: 198.51.100.1\r\n"
          "X-Forwarded-For: 198.51.100.1, 2001:db8::1, 192.0.2.7\r\n"
          "Forwarded: for=198.51.100.1;host=\"b.example:81\";proto=http, "
          "for=\"[2001:db8::1]\", for=192.0.2.7\r\n");
    CHECK(said("Forwarded: for=_secret;by=x\r\nForwarded: for=\"[2001:db8::1]\"\r\n") ==
          "X-Forwarded-For: 192.0.2.7\r\nX-Forwarded-Host: a.example\r\n"
          "X-Forwarded-Proto: https\r\n"
          "Forwarded: for=_secret;by=x, for=\"[2001:db8::1]\", "
          "for=192.0.2.7;host=a.example;proto=https\r\n");
    CHECK(said("X-Forwarded-For: evil\", 1.2.3.4:80, ,fe80::1%e\"\r\n"
               "X-Forwarded-Proto: ht\"tp\r\nX-Forwarded-Host: a/b\r\nX_Forwarded_For: 1\r\n") ==
          "X-Forwarded-Proto: ht\"tp\r\nX-Forwarded-Host: a/b\r\n"
          "X-Forwarded-For: evil\", 1.2.3.4:80, ,fe80::1%e\", 192.0.2.7\r\n"
          "Forwarded: for=unknown, for=\"1.2.3.4:80\", for=unknown, for=unknown, "
          "for=192.0.2.7\r\n");
}

TEST_CASE("what is said of those before a visitor does not become many times as long")
{
    const std::string many(30000, ',');
    const std::string out =
        forwarded_request(get_with("X-Forwarded-For: 1" + many + "\r\n"), trusting());
    CHECK(out.size() < many.size() + 2000);
    CHECK(out.find("X-Forwarded-For: 1" + many + ", 192.0.2.7\r\n") != std::string::npos);
    CHECK(out.find("for=unknown, for=192.0.2.7\r\n") != std::string::npos);
    const std::string long_one = said("X-Forwarded-For: " + std::string(5000, '1') + "\r\n");
    CHECK(long_one.find("Forwarded: for=unknown;host=a.example;proto=https, for=192.0.2.7\r\n") !=
          std::string::npos);
    CHECK(said("X-Forwarded-For:\r\nX-Forwarded-Host:\r\nX-Forwarded-Proto:\r\nForwarded:\r\n") ==
          added);
}

TEST_CASE("the address of a visitor is quoted where it must be, and may be unknown")
{
    ForwardRules with = rules();
    with.visitor_address = "2001:db8::7";
    CHECK(forwarded_request(get_with(""), with).find("X-Forwarded-For: 2001:db8::7\r\n") !=
          std::string::npos);
    CHECK(forwarded_request(get_with(""), with)
              .find("Forwarded: for=\"[2001:db8::7]\";host=a.example;proto=https\r\n") !=
          std::string::npos);
    with.visitor_address = "fe80::1%eth0";
    CHECK(forwarded_request(get_with(""), with).find("for=\"[fe80::1%eth0]\";") !=
          std::string::npos);
    with.visitor_address.clear();
    const std::string unknown = forwarded_request(get_with(""), with);
    CHECK(unknown.find("X-Forwarded-For") == std::string::npos);
    CHECK(unknown.find("Forwarded: for=unknown;host=a.example") != std::string::npos);
}

TEST_CASE("a response goes on as it came, without what is of one connection")
{
    CHECK(forwarded_response("HTTP/1.0 404 Not Found\r\n"
                             "Connection: keep-alive, X-Hop\r\n"
                             "Keep-Alive: timeout=5\r\n"
                             "Server:x\r\n"
                             "X-Hop: 1\r\n"
                             "Set-Cookie: a\r\n"
                             "Set-Cookie: b\r\n"
                             "Upgrade: h2c\r\n"
                             "Proxy-Authenticate: Basic\r\n"
                             "Content-Length: 0\r\n"
                             "\r\n") == "HTTP/1.1 404 Not Found\r\n"
                                        "Server: x\r\n"
                                        "Set-Cookie: a\r\n"
                                        "Set-Cookie: b\r\n"
                                        "Content-Length: 0\r\n"
                                        "\r\n");
    CHECK(forwarded_response(ok_with("Transfer-Encoding: chunked\r\nTrailer: X\r\n")) ==
          ok_with("Transfer-Encoding: chunked\r\nTrailer: X\r\n"));
    CHECK(forwarded_response("HTTP/1.1 099\r\n\r\n"s.replace(9, 3, "200")) ==
          "HTTP/1.1 200 \r\n\r\n");
}

TEST_CASE("a response says whether the visitor's connection stays open")
{
    const std::string head = ok_with("Content-Length: 0\r\nConnection: whatever\r\n");
    const std::string with_length = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n";
    CHECK(forwarded_response(head) == with_length + "\r\n");
    CHECK(forwarded_response(head, false) == with_length + "Connection: close\r\n\r\n");
    CHECK(forwarded_response(head, true, true) == with_length + "Connection: keep-alive\r\n\r\n");
    CHECK(forwarded_response(head, false, true) == with_length + "Connection: close\r\n\r\n");
}

TEST_CASE("a response may change the protocol, or say that another one is needed")
{
    CHECK(forwarded_response("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n"
                             "Upgrade: websocket\r\nSec-WebSocket-Accept: x\r\n\r\n",
                             false) == "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                                       "Sec-WebSocket-Accept: x\r\nConnection: upgrade\r\n\r\n");
    const std::string required = "HTTP/1.1 426 x\r\nUpgrade: websocket\r\nContent-Length: 0\r\n";
    CHECK(forwarded_response(required + "\r\n") == required + "Connection: upgrade\r\n\r\n");
    CHECK(forwarded_response(required + "\r\n", false) ==
          required + "Connection: upgrade, close\r\n\r\n");
}

TEST_CASE("an interim response goes on, but not to a visitor of HTTP/1.0")
{
    const std::string hints = "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n";
    CHECK(forwarded_response(hints, false) == hints);
    CHECK(forwarded_response(hints, true, true).empty());
    CHECK(forwarded_response("HTTP/1.1 100 Continue\r\nContent-Length: 5\r\n\r\n") ==
          "HTTP/1.1 100 Continue\r\n\r\n");
}

TEST_CASE("a response without a body does not tell of one, where it may not")
{
    CHECK(forwarded_response("HTTP/1.1 204 x\r\nContent-Length: 0\r\nA: b\r\n\r\n") ==
          "HTTP/1.1 204 x\r\nA: b\r\n\r\n");
    CHECK(forwarded_response("HTTP/1.1 204 x\r\nTransfer-Encoding: chunked\r\n\r\n") ==
          "HTTP/1.1 204 x\r\n\r\n");
    CHECK(forwarded_response("HTTP/1.1 304 x\r\nContent-Length: 7\r\n\r\n") ==
          "HTTP/1.1 304 x\r\nContent-Length: 7\r\n\r\n");
}
