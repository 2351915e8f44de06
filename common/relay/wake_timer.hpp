// A timer for a thread that sleeps in epoll_wait(2).
#pragma once

#include <chrono>

#include "common/base/fd.hpp"

namespace tunnel {

// Makes a descriptor readable at one moment, which is set far less often than it changes: coming
// due too early does no harm.
class WakeTimer {
public:
    using Clock = std::chrono::steady_clock;

    // Throws std::system_error if the system grants none.
    WakeTimer();

    int descriptor() const { return timer_.get(); }

    // It shall come due no later than this.
    void arm(Clock::time_point next);

    // It has come due, and is set no more.
    void rest();

private:
    Fd timer_;                                           // a timerfd
    Clock::time_point armed_ = Clock::time_point::max(); // when it comes due
};

} // namespace tunnel
