// Counts events that strangers can cause at will, so that they cannot fill the log.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "common/base/asio.hpp"
#include "common/base/code.hpp"

namespace tunnel {

// Logs the first event at once, and those of the following interval as one line with their number.
// It has no timer: the owner calls flush() at due().
class Tally {
public:
    // `message` says what is counted; a string literal. `code` is logged unless an event has one of
    // its own.
    Tally(std::string_view message, Code code, Clock::duration interval = std::chrono::minutes(1))
        : message_(message), code_(code), interval_(interval)
    {
    }

    // Counts an event. The line shows `peer` and `reason` of the latest one.
    void count(std::string_view peer, std::string_view reason, Clock::time_point now)
    {
        count(peer, reason, code_, now);
    }

    void count(std::string_view peer, std::string_view reason, Code code, Clock::time_point now);

    Code code() const { return code_; }

    // When flush() has something to write; nullopt: nothing is left to write.
    std::optional<Clock::time_point> due() const;

    // Writes what is unwritten if the interval is over, or if `now` is nullopt: at the end of the
    // program.
    void flush(std::optional<Clock::time_point> now);

    std::uint64_t total() const { return total_; }

private:
    std::string_view message_;
    Code code_;
    Clock::duration interval_;
    std::optional<Clock::time_point> last_line_;
    std::uint64_t total_ = 0;
    std::uint64_t unwritten_ = 0;
    std::string last_peer_;
    std::string last_reason_;
    Code last_code_{};
};

} // namespace tunnel
