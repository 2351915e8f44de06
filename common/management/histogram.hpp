// A histogram of durations.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "common/base/asio.hpp"

namespace tunnel {

// A count for each range of durations, and their sum. On one thread; an observation costs a search
// among the bounds.
class Histogram {
public:
    // Seconds, and what is longer than the last comes after it. From a parked connection on this
    // machine to the longest time-outs.
    static constexpr std::array bounds{0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025,
                                       0.05,   0.1,     0.25,   0.5,   1.0,    2.5,   5.0,  10.0};

    void observe(Clock::duration duration)
    {
        const double seconds = std::chrono::duration<double>(duration).count();
        std::size_t place = 0;
        while (place < bounds.size() && seconds > bounds[place])
            ++place;
        ++counts_[place];
        sum_ += seconds;
    }

    // The count of each range; the last is what exceeds every bound.
    const std::array<std::uint64_t, bounds.size() + 1>& counts() const { return counts_; }

    double sum() const { return sum_; } // seconds

private:
    std::array<std::uint64_t, bounds.size() + 1> counts_{};
    double sum_ = 0;
};

} // namespace tunnel
