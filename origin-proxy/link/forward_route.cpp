#include "origin-proxy/link/forward_route.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <functional>
#include <string>
#include <string_view>

#include <fmt/format.h>
#include <sys/socket.h>

#include "common/base/code.hpp"
#include "common/base/deadline.hpp"
#include "common/base/error.hpp"
#include "common/http/http_connect.hpp"
#include "common/transport/proxy_answer.hpp"
#include "common/transport/socks5.hpp"

namespace tunnel {

namespace {

using ReadAnswer = std::function<ProxyAnswer(std::string_view bytes)>;

[[noreturn]] void fail_at(const ForwardRoute& route, Errc errc, std::string_view why)
{
    fail(make_error_code(errc), fmt::format("{}: {}", to_string(route.proxy), why));
}

// Takes bytes that are known to be there.
void discard(tcp::socket& socket, std::size_t size)
{
    std::array<char, 1024> room;
    while (size > 0) {
        const ssize_t taken =
            ::recv(socket.native_handle(), room.data(), std::min(size, room.size()), MSG_DONTWAIT);
        if (taken < 0 && errno == EINTR)
            continue;
        if (taken <= 0)
            throw std::system_error(taken < 0 ? last_error() : asio::error::eof);
        size -= static_cast<std::size_t>(taken);
    }
}

// Whatever follows the answer is left in the socket: the relay splices from it.
awaitable<ProxyAnswer> receive_answer(tcp::socket& socket, const ReadAnswer& read)
{
    std::string bytes;
    for (;;) {
        co_await socket.async_wait(tcp::socket::wait_read, use_awaitable);
        std::array<char, 1024> room;
        const ssize_t seen =
            ::recv(socket.native_handle(), room.data(), room.size(), MSG_PEEK | MSG_DONTWAIT);
        if (seen < 0 && (errno == EAGAIN || errno == EINTR))
            continue;
        if (seen <= 0)
            throw std::system_error(seen < 0 ? last_error() : asio::error::eof);
        const std::size_t before = bytes.size();
        bytes.append(room.data(), static_cast<std::size_t>(seen));
        ProxyAnswer answer = read(bytes);
        const bool is_whole = answer.size > 0;
        discard(socket, is_whole ? answer.size - before : bytes.size() - before);
        if (answer.is != ProxyAnswer::Is::incomplete)
            co_return answer;
    }
}

// What it answers if it agrees; otherwise throws.
awaitable<ProxyAnswer> ask(tcp::socket& socket, const ForwardRoute& route, std::string question,
                           const ReadAnswer& read)
{
    co_await asio::async_write(socket, asio::buffer(question), use_awaitable);
    ProxyAnswer answer = co_await receive_answer(socket, read);
    switch (answer.is) {
    case ProxyAnswer::Is::login_refused:
        fail_at(route, Errc::proxy_login_refused, answer.text);
    case ProxyAnswer::Is::refused:
        fail_at(route, Errc::proxy_refused, answer.text);
    case ProxyAnswer::Is::wrong:
        fail_at(route, Errc::not_a_proxy, answer.text);
    case ProxyAnswer::Is::incomplete:
    case ProxyAnswer::Is::agreed:
    case ProxyAnswer::Is::wants_login:
        break;
    }
    co_return answer;
}

awaitable<void> ask_by_http(tcp::socket& socket, const ForwardRoute& route)
{
    HttpConnectAnswer reader;
    const ReadAnswer read = [&reader](std::string_view bytes) { return reader.read(bytes); };
    co_await ask(socket, route, http_connect_request(route.remote, route.proxy), read);
}

awaitable<void> ask_by_socks5(tcp::socket& socket, const ForwardRoute& route)
{
    const ReadAnswer read_method = [&route](std::string_view bytes) {
        return socks5::read_method(bytes, route.proxy);
    };
    const ReadAnswer read_login = socks5::read_login_answer;
    const ReadAnswer read_reply = socks5::read_reply;
    const ProxyAnswer method =
        co_await ask(socket, route, socks5::greeting(route.proxy), read_method);
    if (method.is == ProxyAnswer::Is::wants_login)
        co_await ask(socket, route, socks5::login(route.proxy), read_login);
    co_await ask(socket, route, socks5::connect_request(route.remote), read_reply);
}

} // namespace

Route route_to(const Address& remote, const ConnectThrough& through)
{
    const auto proxy = forward_proxy_to(remote, through);
    return proxy ? std::make_shared<const ForwardRoute>(ForwardRoute{*proxy, remote}) : Route();
}

bool is_same_route(const Route& one, const Route& other)
{
    return one == other || (one && other && *one == *other);
}

awaitable<void> go_through(tcp::socket& socket, const ForwardRoute& route, Clock::duration limit)
{
    const Deadline deadline(socket, limit);
    try {
        if (route.proxy.kind == ForwardProxy::Kind::http)
            co_await ask_by_http(socket, route);
        else
            co_await ask_by_socks5(socket, route);
    } catch (const std::system_error& error) {
        const std::error_code code = error.code();
        if (deadline.passed())
            fail(asio::error::timed_out,
                 fmt::format("{} does not answer: it hangs, or waits for the remote proxy in vain",
                             to_string(route.proxy)));
        if (code == asio::error::operation_aborted || code.category() == error_category())
            throw;
        const bool was_closed = code_of(code) == Code::connection_lost;
        fail_at(route, Errc::proxy_refused,
                was_closed ? "it closes the connection without an answer" : code.message());
    }
}

void cannot_reach(const ForwardRoute& route, const std::system_error& error)
{
    fail_at(route, Errc::proxy_unreachable, error.code().message());
}

} // namespace tunnel
