// The one timer of the remote proxy.
#pragma once

#include <utility>

#include "common/base/asio.hpp"

namespace tunnel {

// One coroutine waits here for the earliest of all deadlines; setting an earlier one wakes it.
class Alarm {
public:
    explicit Alarm(asio::any_io_executor executor) : signal_(std::move(executor)) {}

    // The coroutine wakes at this time at the latest.
    void ring_by(Clock::time_point time)
    {
        if (time < rings_at_)
            signal_.notify();
    }

    // Returns at that time, or earlier after ring_by().
    awaitable<void> wait_until(Clock::time_point time)
    {
        rings_at_ = time;
        return signal_.wait_until(time);
    }

private:
    Signal signal_;
    Clock::time_point rings_at_ = Clock::time_point::max();
};

} // namespace tunnel
