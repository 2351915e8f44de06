#include "common/management/client.hpp"

#include <memory>

#include <sys/socket.h>

namespace tunnel {

namespace {

// What a client may still send that is not wanted any more.
constexpr std::size_t most_ignored = 1024 * 1024;

using Descriptor = asio::posix::stream_descriptor;

// Cancels what waits for the descriptor when the time is up, unless it has been destroyed before.
class Limit {
public:
    Limit(Descriptor& socket, Clock::time_point limit)
        : target_(std::make_shared<Descriptor*>(&socket)), timer_(socket.get_executor(), limit)
    {
        timer_.async_wait([target = target_](std::error_code error) {
            // The timer may learn too late that it is not wanted any more.
            if (error || *target == nullptr)
                return;
            std::error_code ignored;
            (*target)->cancel(ignored);
            *target = nullptr;
        });
    }

    Limit(const Limit&) = delete;
    Limit& operator=(const Limit&) = delete;

    ~Limit() { *target_ = nullptr; }

    // What the operation has ended with.
    void check(std::error_code error) const
    {
        if (*target_ == nullptr)
            throw std::system_error(make_error_code(std::errc::timed_out));
        if (error)
            throw std::system_error(error);
    }

private:
    std::shared_ptr<Descriptor*> target_; // null: it has cancelled
    asio::steady_timer timer_;
};

} // namespace

ManagementClient::ManagementClient(const asio::any_io_executor& executor, Fd socket)
    : socket_(executor, socket.get())
{
    socket.release();
}

awaitable<std::string_view> ManagementClient::read(Clock::time_point limit)
{
    const Limit within(socket_, limit);
    const auto [error, size] = co_await socket_.async_read_some(asio::buffer(buffer_), nothrow);
    if (error == asio::error::eof)
        co_return std::string_view();
    within.check(error);
    co_return std::string_view(buffer_.data(), size);
}

awaitable<void> ManagementClient::write(std::string bytes, Clock::time_point limit)
{
    const Limit within(socket_, limit);
    const auto [error, size] = co_await asio::async_write(socket_, asio::buffer(bytes), nothrow);
    within.check(error);
}

awaitable<void> ManagementClient::finish(Clock::time_point limit)
{
    ::shutdown(socket_.native_handle(), SHUT_WR);
    const Limit within(socket_, limit);
    for (std::size_t ignored = 0; ignored < most_ignored;) {
        const auto [error, size] = co_await socket_.async_read_some(asio::buffer(buffer_), nothrow);
        if (error)
            break;
        ignored += size;
    }
}

} // namespace tunnel
