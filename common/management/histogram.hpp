// A histogram of durations.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "common/base/asio.hpp"

namespace tunnel {

// A count for each range of durations, and their sum. Safe from any thread; an observation costs a
// search among the bounds.
class Histogram {
public:
    // Seconds, and what is longer than the last comes after it. From a parked connection on this
    // machine to the longest time-outs.
    static constexpr std::array bounds{0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025,
                                       0.05,   0.1,     0.25,   0.5,   1.0,    2.5,   5.0,  10.0};

    Histogram() = default;

    Histogram(const Histogram& other) { *this = other; }

    Histogram& operator=(const Histogram& other)
    {
        for (std::size_t i = 0; i < counts_.size(); ++i)
            counts_[i] = other.counts_[i].load(std::memory_order_relaxed);
        sum_ = other.sum();
        return *this;
    }

    ~Histogram() = default;

    void observe(Clock::duration duration)
    {
        const double seconds = std::chrono::duration<double>(duration).count();
        std::size_t place = 0;
        while (place < bounds.size() && seconds > bounds[place])
            ++place;
        counts_[place].fetch_add(1, std::memory_order_relaxed);
        sum_.fetch_add(seconds, std::memory_order_relaxed);
    }

    // The count of each range; the last is what exceeds every bound.
    std::array<std::uint64_t, bounds.size() + 1> counts() const
    {
        std::array<std::uint64_t, bounds.size() + 1> all{};
        for (std::size_t i = 0; i < all.size(); ++i)
            all[i] = counts_[i].load(std::memory_order_relaxed);
        return all;
    }

    double sum() const { return sum_.load(std::memory_order_relaxed); } // seconds

private:
    std::array<std::atomic<std::uint64_t>, bounds.size() + 1> counts_{};
    std::atomic<double> sum_ = 0;
};

} // namespace tunnel
