#include "common/relay/wake_timer.hpp"

#include <cerrno>
#include <cstdint>
#include <system_error>

#include <sys/timerfd.h>
#include <unistd.h>

namespace tunnel {

WakeTimer::WakeTimer() : timer_(::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK))
{
    if (!timer_.is_open())
        throw std::system_error(errno, std::system_category(), "timerfd");
}

void WakeTimer::arm(Clock::time_point next)
{
    if (next >= armed_)
        return;
    armed_ = next;
    const auto since_start = armed_.time_since_epoch(); // of CLOCK_MONOTONIC
    const auto whole = std::chrono::floor<std::chrono::seconds>(since_start);
    itimerspec due{};
    due.it_value.tv_sec = whole.count();
    due.it_value.tv_nsec = std::chrono::nanoseconds(since_start - whole).count();
    ::timerfd_settime(timer_.get(), TFD_TIMER_ABSTIME, &due, nullptr);
}

void WakeTimer::rest()
{
    std::uint64_t ignored = 0;
    [[maybe_unused]] const auto size = ::read(timer_.get(), &ignored, sizeof ignored);
    armed_ = Clock::time_point::max();
}

} // namespace tunnel
