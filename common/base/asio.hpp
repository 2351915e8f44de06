// The only place that includes asio, and the vocabulary that the project takes from it. What lives
// in asio::experimental in one version and not in the next is named here, so that the rest of the
// sources compiles with all of them (Asio 1.22 of Debian 12 to 1.30 of Debian 13).
#pragma once

#include <asio/awaitable.hpp>
#include <asio/bind_cancellation_slot.hpp>
#include <asio/buffer.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/co_spawn.hpp>
#include <asio/error.hpp>
#include <asio/experimental/awaitable_operators.hpp>
#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/ip/v6_only.hpp>
#include <asio/posix/stream_descriptor.hpp>
#include <asio/post.hpp>
#include <asio/read.hpp>
#include <asio/redirect_error.hpp>
#include <asio/signal_set.hpp>
#include <asio/this_coro.hpp>
#include <asio/use_awaitable.hpp>
#include <asio/write.hpp>

#if __has_include(<asio/as_tuple.hpp>)
#include <asio/as_tuple.hpp>
#else
#include <asio/experimental/as_tuple.hpp>
#endif

#include <chrono>
#include <list>
#include <system_error>
#include <utility>

#include "common/base/clock.hpp"

namespace tunnel {

using asio::awaitable;
using asio::redirect_error;
using asio::use_awaitable;
using asio::ip::tcp;

// Completion token: the operation's error comes back as a value instead of an exception.
#if __has_include(<asio/as_tuple.hpp>)
inline constexpr auto nothrow = asio::as_tuple(asio::use_awaitable);
#else
inline constexpr auto nothrow = asio::experimental::as_tuple(asio::use_awaitable);
#endif

// Suspends the calling coroutine for `duration`; cancelling the coroutine ends it with
// operation_aborted.
inline awaitable<void> sleep_for(Clock::duration duration)
{
    Timer timer(co_await asio::this_coro::executor, duration);
    co_await timer.async_wait(use_awaitable);
}

// Lets what is ready to run have a turn.
inline awaitable<void> yield_to_others()
{
    co_await asio::post(co_await asio::this_coro::executor, use_awaitable);
}

// Sleeps until notify(). Like a condition variable, it may wake early, so wait in a loop that tests
// what is waited for. Any number of coroutines may wait; they must not outlive it.
class Signal {
public:
    explicit Signal(asio::any_io_executor executor) : executor_(std::move(executor)) {}

    // Wakes all that wait; if nobody does, the next wait returns at once.
    void notify()
    {
        notified_ = waiting_.empty();
        for (Timer* const timer : waiting_)
            timer->cancel();
    }

    // Returns after notify() or when `limit` is reached.
    awaitable<void> wait_until(Clock::time_point limit)
    {
        if (std::exchange(notified_, false))
            co_return;
        Timer timer(executor_, limit);
        const Place place{waiting_, waiting_.insert(waiting_.end(), &timer)};
        std::error_code ignored;
        co_await timer.async_wait(redirect_error(use_awaitable, ignored));
        // A cancelled coroutine must not mistake its own end for a notification.
        if ((co_await asio::this_coro::cancellation_state).cancelled() !=
            asio::cancellation_type::none)
            throw std::system_error(asio::error::operation_aborted);
    }

    awaitable<void> wait() { return wait_until(Clock::time_point::max()); }

private:
    using Waiting = std::list<Timer*>;

    struct Place {
        Waiting& waiting;
        Waiting::iterator entry;

        ~Place() { waiting.erase(entry); }
    };

    asio::any_io_executor executor_;
    Waiting waiting_;
    bool notified_ = false;
};

} // namespace tunnel
