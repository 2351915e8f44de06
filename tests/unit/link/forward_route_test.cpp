// Asking an HTTP or SOCKS5 proxy for a connection, over real sockets.
#include "origin-proxy/link/forward_route.hpp"

#include <doctest/doctest.h>

#include "common/base/code.hpp"
#include "common/base/error.hpp"
#include "common/transport/socks5.hpp"
#include "tests/unit/io.hpp"

using namespace std::chrono_literals;
using namespace std::string_literals;
using namespace tunnel;
using namespace tunnel::test;

namespace {

const ForwardRoute by_http{{ForwardProxy::Kind::http, {"proxy", 3128}, "ann", "hidden"},
                           {"example.com", 9001}};
const ForwardRoute by_socks{{ForwardProxy::Kind::socks5, {"proxy", 1080}, "ann", "hidden"},
                            {"example.com", 9001}};
const std::string agreed = "HTTP/1.1 200 OK\r\n\r\n";
const std::string socks_agreed = "\5\2\1\0\5\0\0\1\0\0\0\0\0\0"s;

std::string left_in(tcp::socket& socket)
{
    std::string bytes(64 * 1024, '\0');
    std::error_code error;
    socket.non_blocking(true);
    bytes.resize(socket.read_some(asio::buffer(bytes), error));
    return bytes;
}

std::system_error failure(asio::io_context& io, tcp::socket& socket, const ForwardRoute& route,
                          Clock::duration limit = 10s)
{
    return failure_of(io, go_through(socket, route, limit));
}

// What an answer in full comes to.
std::system_error failure_after(const ForwardRoute& route, std::string_view answer)
{
    asio::io_context io(1);
    SocketPair pair(io);
    write(pair.there, answer);
    return failure(io, pair.here, route);
}

} // namespace

TEST_CASE("what a proxy sends behind its answer is left in the socket")
{
    for (const auto& [route, answer] : {std::pair(&by_http, &agreed), {&by_socks, &socks_agreed}}) {
        for (const std::size_t size : {0u, 1u, 1000u, 40'000u}) {
            asio::io_context io(1);
            SocketPair pair(io);
            const std::string behind(size, 'x');
            write(pair.there, *answer + behind);
            CHECK(!failure(io, pair.here, *route).code());
            CHECK(left_in(pair.here).size() == behind.size());
        }
    }
}

TEST_CASE("an answer may come byte by byte, and a long head in many pieces")
{
    const std::string long_head = "HTTP/1.1 200 OK\r\nA: " + std::string(9000, 'a') + "\r\n\r\n";
    for (const auto& [route, answer] :
         {std::pair(&by_http, &agreed), {&by_http, &long_head}, {&by_socks, &socks_agreed}}) {
        asio::io_context io(1);
        SocketPair pair(io);
        const std::string all = *answer + "SSH";
        const auto send = [&]() -> awaitable<void> {
            for (const char& each : all) {
                co_await asio::async_write(pair.there, asio::buffer(&each, 1), use_awaitable);
                co_await yield_to_others();
            }
        };
        bool sent = false;
        asio::co_spawn(io, send, [&sent](const std::exception_ptr&) { sent = true; });
        CHECK(!failure(io, pair.here, *route).code());
        CHECK(run_until(io, [&] { return sent; }));
        CHECK(left_in(pair.here) == "SSH");
    }
}

TEST_CASE("the proxy is asked for the remote proxy, with the login")
{
    asio::io_context io(1);
    SocketPair http(io);
    write(http.there, agreed);
    failure(io, http.here, by_http);
    CHECK(left_in(http.there) == "CONNECT example.com:9001 HTTP/1.1\r\nHost: example.com:9001\r\n"
                                 "Proxy-Authorization: Basic YW5uOmhpZGRlbg==\r\n\r\n");
    SocketPair socks(io);
    write(socks.there, socks_agreed);
    failure(io, socks.here, by_socks);
    CHECK(left_in(socks.there) == socks5::greeting(by_socks.proxy) + socks5::login(by_socks.proxy) +
                                      socks5::connect_request(by_socks.remote));
    SocketPair open(io); // a proxy that wants no login gets none
    write(open.there, "\5\0\5\0\0\1\0\0\0\0\0\0"s);
    failure(io, open.here, by_socks);
    CHECK(left_in(open.there).find("hidden") == std::string::npos);
}

TEST_CASE("each refusal has a code and names the proxy, without its password")
{
    struct Case {
        const ForwardRoute& route;
        std::string answer;
        Code code;
        std::string words;
    };

    for (const Case& each :
         {Case{by_http, "HTTP/1.1 403 Forbidden\r\n\r\n<html>", Code::proxy_refused, "403"},
          Case{by_http, "HTTP/1.1 407 Who\r\n\r\n", Code::proxy_login_refused, "407"},
          Case{by_http, "SSH-2.0-OpenSSH_9.2\r\n", Code::not_a_proxy, "no answer of HTTP"},
          Case{by_http, "\5\xff", Code::not_a_proxy, "no answer of HTTP"},
          Case{by_socks, "\5\2\1\1", Code::proxy_login_refused, "it refuses the login"},
          Case{by_socks, "\5\xff", Code::proxy_login_refused, "no login of this kind"},
          Case{by_socks, "\5\0\5\2"s, Code::proxy_refused, "not allowed"},
          Case{by_socks, "HTTP/1.1 400 Bad", Code::not_a_proxy, "expected http://"}}) {
        const auto failed = failure_after(each.route, each.answer);
        const std::string what = failed.what();
        CHECK(code_of(failed.code()) == each.code);
        CHECK_MESSAGE(what.find(each.words) != std::string::npos, what);
        CHECK(what.starts_with(to_string(each.route.proxy) + ": "));
        CHECK(what.find("hidden") == std::string::npos);
    }
}

TEST_CASE("a proxy that is silent, also after a part of its answer, is given up at the limit")
{
    for (const auto& [route, answer] : {std::pair(&by_http, ""s),
                                        {&by_http, "HTTP/1.1 2"s},
                                        {&by_socks, ""s},
                                        {&by_socks, "\5\2"s},
                                        {&by_socks, "\5\0\5\0\0"s}}) {
        asio::io_context io(1);
        SocketPair pair(io);
        write(pair.there, answer);
        const auto failed = failure(io, pair.here, *route, 30ms);
        CHECK(code_of(failed.code()) == Code::timeout);
        CHECK(std::string(failed.what()).find("does not answer") != std::string::npos);
        CHECK_FALSE(pair.here.is_open());
    }
}

TEST_CASE("a proxy that closes before its answer is whole has refused")
{
    for (const auto& [route, answer] : {std::pair(&by_http, ""s),
                                        {&by_http, "HTTP/1.1 200 OK\r\n"s},
                                        {&by_socks, ""s},
                                        {&by_socks, "\5\0\5\0\0"s}}) {
        asio::io_context io(1);
        SocketPair pair(io);
        write(pair.there, answer);
        pair.there.shutdown(tcp::socket::shutdown_send);
        const auto failed = failure(io, pair.here, *route);
        CHECK(code_of(failed.code()) == Code::proxy_refused);
        CHECK(std::string(failed.what()).find("closes the connection") != std::string::npos);
    }
}
