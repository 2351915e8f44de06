// Origin proxies with the same identity that push each other out.
#pragma once

#include <algorithm>
#include <array>

#include "common/asio.hpp"

namespace tunnel {

// One that was restarted takes its place over once. Two that both believe the place to be theirs do
// so again and again; each time the next has to wait longer. No I/O, no clock.
class Takeovers {
public:
    static constexpr Clock::duration window = std::chrono::minutes(1);
    static constexpr Clock::duration shortest_wait = std::chrono::seconds(1);
    // Less than the usual time that an origin proxy waits for a heartbeat.
    static constexpr Clock::duration longest_wait = std::chrono::seconds(8);
    static constexpr std::size_t free = 2; // within the window, without waiting

    // How long whoever wants the place now has to wait.
    Clock::duration wait(Clock::time_point now) const
    {
        const auto lately = static_cast<std::size_t>(std::ranges::count_if(
            times_, [now](Clock::time_point time) { return time > now - window; }));
        if (lately < free)
            return Clock::duration(0);
        return std::min(longest_wait, shortest_wait * (1 << (lately - free)));
    }

    void happened(Clock::time_point now)
    {
        std::rotate(times_.begin(), times_.begin() + 1, times_.end());
        times_.back() = now;
    }

private:
    std::array<Clock::time_point, 6> times_ = [] {
        std::array<Clock::time_point, 6> none;
        none.fill(Clock::time_point::min());
        return none;
    }(); // by age
};

} // namespace tunnel
