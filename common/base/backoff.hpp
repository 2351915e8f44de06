// How long to wait before trying again.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>

namespace tunnel {

// Exponential back-off with full jitter: the n-th wait is uniform between 0 and
// min(slowest, first * 2^n), so that many origin proxies that lost the same remote proxy do not
// return in one wave. https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
class Backoff {
public:
    using Duration = std::chrono::milliseconds;

    constexpr Backoff(Duration first, Duration slowest) : first_(first), slowest_(slowest) {}

    // The next wait. `random` is uniform over all its values; a parameter, so that this stays pure.
    constexpr Duration next(std::uint32_t random)
    {
        const Duration most = ceiling();
        if (most < slowest_)
            ++tries_;
        return Duration(most.count() * static_cast<std::int64_t>(random) / UINT32_MAX);
    }

    // The longest that next() may answer now.
    constexpr Duration ceiling() const
    {
        return std::min(slowest_, first_ * (std::int64_t(1) << std::min(tries_, 30)));
    }

    // Starts anew: things have been healthy for a while.
    constexpr void reset() { tries_ = 0; }

private:
    Duration first_;
    Duration slowest_;
    int tries_ = 0;
};

} // namespace tunnel
