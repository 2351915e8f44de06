// How much of the log each peer may fill.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "common/base/log.hpp"

namespace tunnel::log {

// Every line has a key: its message, and the peer that its fields name. Each key has a budget of
// bytes that fills up with time. A line for which nothing is left is counted, and the number is
// told in the next line of that key, or in a line of its own ten seconds later. It has no clock and
// no lock.
class Limits {
public:
    using Clock = std::chrono::steady_clock;

    struct LeftOut {
        Level level;
        std::string message; // of the lines
        std::string peer;    // may be empty
        std::uint64_t lines;
    };

    // Whether there may be a line now, and how many of its key were left out since the last one;
    // nullopt: this one is left out. `peer` is as a rule peer_of(fields).
    std::optional<std::uint64_t> take(Level level, std::string_view message, Fields fields,
                                      std::string_view peer, Clock::time_point now);

    // The same for a line that is written elsewhere if not here, so that none is left out.
    bool allows(std::string_view message, Fields fields, std::string_view peer,
                Clock::time_point now);

    // When collect() has something to tell.
    std::optional<Clock::time_point> due() const { return due_; }

    // What was left out and is not told of yet; nothing before due(), unless `now` is nullopt. The
    // last may sum up many keys.
    std::vector<LeftOut> collect(std::optional<Clock::time_point> now);

    void clear();

    std::size_t size() const { return entries_.size(); }

private:
    struct Budget {
        double at_once; // bytes
        double each_second;
    };

    struct Entry {
        Budget budget{};
        double left = 0; // at `since`; less than nothing after a long line, to a bound
        Clock::time_point since{};
        std::uint64_t left_out = 0;
        Level level{};

        double left_at(Clock::time_point now) const;
        bool take(double size, Clock::time_point now);
    };

    Entry& entry_of(std::string_view message, Fields fields, std::string_view peer,
                    Clock::time_point now);
    void forget_idle(Clock::time_point now);

    std::unordered_map<std::string, Entry> entries_;
    Entry overflow_;  // of all for whom there is no room
    std::string key_; // kept for its memory
    std::optional<Clock::time_point> due_;
    Clock::time_point forgot_{};
};

// Whom a line is about, as far as its fields tell: the name of an origin proxy, which has proved
// it, or the address of a peer without the port, which changes with each connection; else the
// service. Empty: nobody.
std::string_view peer_of(Fields fields);

} // namespace tunnel::log
