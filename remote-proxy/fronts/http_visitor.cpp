#include "remote-proxy/fronts/http_visitor.hpp"

#include <algorithm>
#include <cerrno>

#include <sys/socket.h>

#include "common/base/error.hpp"
#include "common/base/limit.hpp"
#include "common/transport/socket.hpp"

namespace tunnel {

namespace {

constexpr std::size_t most_thrown_away = 64 * 1024; // bytes

} // namespace

HttpVisitor::HttpVisitor(const asio::any_io_executor& executor, Fd socket,
                         const tcp::endpoint& peer)
    : socket_(executor, socket.get()), peer_(peer)
{
    socket.release();
    socket_.non_blocking(true);
    send_without_delay(socket_.native_handle());
    allow_clean_close(socket_.native_handle()); // what a listener accepts resets
}

awaitable<std::string_view> HttpVisitor::read(std::span<char> room, Clock::time_point limit)
{
    // Not left to the timer alone: there may be a byte whenever it is looked at.
    if (Clock::now() >= limit)
        throw std::system_error(make_error_code(std::errc::timed_out));
    const Limit within(socket_, limit);
    for (;;) {
        const ssize_t size = ::recv(socket_.native_handle(), room.data(), room.size(), 0);
        if (size >= 0)
            co_return std::string_view(room.data(), static_cast<std::size_t>(size));
        if (errno != EAGAIN)
            throw std::system_error(last_error());
        const auto [error] =
            co_await socket_.async_wait(asio::posix::stream_descriptor::wait_read, nothrow);
        within.check(error);
    }
}

awaitable<void> HttpVisitor::write(std::string_view bytes, Clock::time_point limit)
{
    const Limit within(socket_, limit);
    for (;;) {
        const ssize_t size =
            ::send(socket_.native_handle(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (size < 0 && errno != EAGAIN)
            throw std::system_error(last_error());
        bytes.remove_prefix(static_cast<std::size_t>(std::max<ssize_t>(size, 0)));
        if (bytes.empty())
            co_return;
        const auto [error] =
            co_await socket_.async_wait(asio::posix::stream_descriptor::wait_write, nothrow);
        within.check(error);
    }
}

awaitable<void> HttpVisitor::finish(std::span<char> room, Clock::time_point limit)
{
    const Limit within(socket_, limit);
    ::shutdown(socket_.native_handle(), SHUT_WR);
    for (std::size_t left = most_thrown_away; left > 0;) {
        const ssize_t size =
            ::recv(socket_.native_handle(), room.data(), std::min(left, room.size()), 0);
        if (size == 0 || (size < 0 && errno != EAGAIN))
            co_return;
        if (size > 0) {
            left -= static_cast<std::size_t>(size);
            continue;
        }
        const auto [error] =
            co_await socket_.async_wait(asio::posix::stream_descriptor::wait_read, nothrow);
        if (error || within.passed())
            co_return;
    }
    // The kernel lets the visitor send what there is room for, and no more. This returns when the
    // visitor has gone.
    co_await socket_.async_wait(asio::posix::stream_descriptor::wait_error, nothrow);
}

void HttpVisitor::close()
{
    std::error_code ignored;
    socket_.close(ignored);
}

void HttpVisitor::reset_at_end()
{
    const linger at_once{1, 0};
    ::setsockopt(socket_.native_handle(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
}

} // namespace tunnel
