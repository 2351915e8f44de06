// CONNECT as a client speaks it.
#include "common/http/http_connect.hpp"

#include <random>

#include <doctest/doctest.h>

#include "common/http/message_head.hpp"

using namespace tunnel;

namespace {

using Is = ProxyAnswer::Is;

const ForwardProxy proxy{ForwardProxy::Kind::http, {"proxy", 3128}};

// The same whether the bytes come at once or one by one.
ProxyAnswer answer(std::string_view bytes)
{
    const ProxyAnswer whole = HttpConnectAnswer().read(bytes);
    HttpConnectAnswer bytewise;
    ProxyAnswer last;
    for (std::size_t size = 0; size <= bytes.size() && last.is == Is::incomplete; ++size)
        last = bytewise.read(bytes.substr(0, size));
    CHECK((last == whole));
    return whole;
}

// This answer agrees, and each part of it is incomplete.
void check_agreed(const std::string& head)
{
    INFO(head);
    for (std::size_t size = 0; size < head.size(); ++size)
        CHECK(HttpConnectAnswer().read(std::string_view(head).substr(0, size)).is ==
              Is::incomplete);
    CHECK((answer(head) == ProxyAnswer{Is::agreed, head.size()}));
    CHECK((answer(head + "\x16\x03\x01") == ProxyAnswer{Is::agreed, head.size()}));
    CHECK(
        (answer(head + "\r\n\r\nHTTP/1.1 403 No\r\n\r\n") == ProxyAnswer{Is::agreed, head.size()}));
}

} // namespace

TEST_CASE("a request names the remote proxy twice, and has the login of the proxy")
{
    CHECK(http_connect_request({"example.com", 9001}, proxy) ==
          "CONNECT example.com:9001 HTTP/1.1\r\nHost: example.com:9001\r\n\r\n");
    CHECK(http_connect_request({"2001:db8::1", 443}, proxy) ==
          "CONNECT [2001:db8::1]:443 HTTP/1.1\r\nHost: [2001:db8::1]:443\r\n\r\n");
    CHECK(http_connect_request({"fe80::1%eth0", 443}, proxy).starts_with("CONNECT [fe80::1]:443 "));
    CHECK(http_connect_request({"", 443}, proxy).starts_with("CONNECT localhost:443 "));
    ForwardProxy with_login = proxy;
    with_login.user = "Aladdin";
    with_login.password = "open sesame"; // RFC 7617 2
    CHECK(http_connect_request({"a", 1}, with_login)
              .find("\r\nProxy-Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n\r\n") !=
          std::string::npos);
    with_login.user = std::string(255, 'u');
    with_login.password = std::string(255, 'p');
    const std::string longest = http_connect_request({"a", 1}, with_login);
    CHECK(longest.find('\0') == std::string::npos);
    CHECK(longest.ends_with("\r\n\r\n"));
}

TEST_CASE("a 200 agrees, and ends with its head whatever it says of a body")
{
    check_agreed("HTTP/1.1 200 Connection established\r\n\r\n");
    check_agreed("HTTP/1.0 200 OK\r\nVia: proxy\r\nX: y\r\n\r\n");
    check_agreed("HTTP/1.1 200\r\n\r\n");
    check_agreed("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n");
    check_agreed("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
}

TEST_CASE("interim answers before a 200 are skipped, as long as they end")
{
    CHECK((answer("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\nSSH") ==
           ProxyAnswer{Is::agreed, 25 + 19}));
    std::string endless;
    while (endless.size() < 2 * largest_head)
        endless += "HTTP/1.1 100 Continue\r\n\r\n";
    CHECK(HttpConnectAnswer().read(endless).is == Is::wrong);
}

TEST_CASE("every other status is a refusal in words")
{
    CHECK(answer("HTTP/1.1 403 Forbidden\r\n\r\n") ==
          ProxyAnswer{Is::refused, 0,
                      "it answers 403 Forbidden; many proxies let out port 443 only"});
    CHECK(answer("HTTP/1.1 502 Bad Gateway\r\nContent-Length: 9\r\n\r\n").text ==
          "it answers 502 Bad Gateway, so it cannot reach the remote proxy");
    CHECK(answer("HTTP/1.1 503\r\n\r\n").text ==
          "it answers 503, so it cannot reach the remote proxy");
    CHECK(answer("HTTP/1.1 405 Method Not Allowed\r\n\r\n").text ==
          "it answers 405 Method Not Allowed");
    for (const char* const status : {"101", "201", "204", "301", "400", "500", "999"})
        CHECK(answer("HTTP/1.1 " + std::string(status) + " x\r\n\r\n").is == Is::refused);
    CHECK(answer("HTTP/1.1 400 " + std::string(9000, 'x') + "\r\n\r\n").text.size() < 100);
}

TEST_CASE("a 407 says whether the only login that is spoken would do")
{
    CHECK(answer("HTTP/1.1 407 Who\r\nProxy-Authenticate: Basic realm=\"x\"\r\n\r\n") ==
          ProxyAnswer{Is::login_refused, 0, "it answers 407 Who"});
    CHECK(answer("HTTP/1.1 407 Who\r\nProxy-Authenticate: Negotiate\r\n"
                 "proxy-authenticate: NTLM, basic realm=\"x\"\r\n\r\n")
              .text == "it answers 407 Who");
    const auto other = answer("HTTP/1.1 407 Who\r\nProxy-Authenticate: Negotiate\r\n"
                              "Proxy-Authenticate: NTLM\r\n\r\n");
    CHECK(other.is == Is::login_refused);
    CHECK(other.text.find("does not take Basic") != std::string::npos);
}

TEST_CASE("what is no answer of HTTP is wrong at its first odd byte, and a head has a bound")
{
    CHECK(answer("\5\xff").is == Is::wrong);
    CHECK(answer("SSH-2.0-OpenSSH").is == Is::wrong);
    CHECK(answer("HTTP/2 200 OK").is == Is::wrong);
    CHECK(answer("HTTP/1.1 2x0 OK").is == Is::wrong);
    CHECK(answer("HTTP/1.1 200 OK\n\n").is == Is::wrong);
    CHECK(answer("HTTP/1.1 200 OK\r\nA\r\n\r\n").is == Is::wrong);
    CHECK(answer("HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n").is == Is::wrong);
    const std::string endless = "HTTP/1.1 200 OK\r\nA: " + std::string(2 * largest_head, 'a');
    CHECK(HttpConnectAnswer().read(endless).is == Is::wrong);
    CHECK(HttpConnectAnswer().read(endless.substr(0, largest_head)).is == Is::wrong);
    CHECK(HttpConnectAnswer().read(endless.substr(0, largest_head - 1)).is == Is::incomplete);
}

TEST_CASE("junk in the middle of an answer never reads beyond it")
{
    std::mt19937 random(11);
    const std::string good = "HTTP/1.1 200 OK\r\nVia: x\r\nA: b\r\n\r\n";
    for (int i = 0; i < 3000; ++i) {
        std::string bytes = good + "tunnel";
        bytes[random() % bytes.size()] = static_cast<char>(random());
        const ProxyAnswer found = answer(bytes);
        CHECK(found.size <= good.size());
        CHECK((found.size > 0) == (found.is == Is::agreed));
    }
}
