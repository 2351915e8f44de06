#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>

#include <asio/basic_waitable_timer.hpp>
#include <asio/wait_traits.hpp>

namespace tunnel {

// The clock of all deadlines of the proxies: the steady clock, which tests may put forward.
class Clock {
public:
    using duration = std::chrono::steady_clock::duration;
    using rep = duration::rep;
    using period = duration::period;
    using time_point = std::chrono::steady_clock::time_point;
    static constexpr bool is_steady = true;

    static time_point now() noexcept
    {
        return std::chrono::steady_clock::now() + duration(ahead_.load(std::memory_order_relaxed));
    }

    // For tests, while it lives: advance() makes timers end that would have ended by then. One at a
    // time, made before the timers.
    class Steered {
    public:
        Steered() { steered_ = true; }

        Steered(const Steered&) = delete;
        Steered& operator=(const Steered&) = delete;

        ~Steered() { steered_ = false; }

        void advance(duration by) { ahead_ += by.count(); }
    };

    // How asio waits: while the clock is steered, with a look at it now and then.
    struct Wait {
        static duration to_wait_duration(duration d)
        {
            return steered_.load(std::memory_order_relaxed)
                       ? std::min<duration>(d, std::chrono::milliseconds(2))
                       : d;
        }

        static duration to_wait_duration(time_point t) { return to_wait_duration(t - now()); }
    };

private:
    static inline std::atomic<rep> ahead_ = 0; // never goes back
    static inline std::atomic<bool> steered_ = false;
};

using Timer = asio::basic_waitable_timer<Clock, Clock::Wait>;

} // namespace tunnel
