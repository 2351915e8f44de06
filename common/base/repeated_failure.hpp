// When to log a failure that repeats.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/asio.hpp"

namespace tunnel {

// The first failure of a series is logged at once, and so is each with a new reason; the others
// after 1, 2, 4 seconds and so on up to a minute. No clock.
class RepeatedFailure {
public:
    static constexpr Clock::duration first_interval = std::chrono::seconds(1);
    static constexpr Clock::duration longest_interval = std::chrono::minutes(1);

    explicit RepeatedFailure(std::uint64_t at_once = 1) : at_once_(at_once) {}

    // Counts a failure. Returns whether to log it.
    bool happened(std::string_view reason, Clock::time_point now)
    {
        ++failures_;
        const bool is_new = note_reason(reason);
        if (failures_ > at_once_ && !is_new && now < next_line_)
            return false;
        if (is_new || failures_ <= at_once_)
            interval_ = first_interval;
        next_line_ = now + interval_;
        interval_ = std::min(interval_ * 2, longest_interval);
        return true;
    }

    // In this series.
    std::uint64_t failures() const { return failures_; }

    // Ends the series.
    void recovered() { *this = RepeatedFailure(at_once_); }

private:
    // A peer that gives another reason each time must not fill the log.
    static constexpr std::size_t most_reasons = 8;

    bool note_reason(std::string_view reason)
    {
        if (reasons_.size() >= most_reasons ||
            std::ranges::find(reasons_, reason) != reasons_.end())
            return false;
        reasons_.emplace_back(reason);
        return true;
    }

    std::uint64_t at_once_;
    std::uint64_t failures_ = 0;
    Clock::time_point next_line_{};
    Clock::duration interval_ = first_interval;
    std::vector<std::string> reasons_;
};

} // namespace tunnel
