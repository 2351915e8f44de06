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
// bytes that refills over time. A line beyond the budget is counted instead of written; the next
// line of the key says how many, or a line of its own ten seconds later. No clock, no lock.
class Limits {
public:
    using Clock = std::chrono::steady_clock;

    struct LeftOut {
        Level level;
        std::string message; // of the lines
        std::string peer;    // may be empty
        std::uint64_t lines;
    };

    // How many lines of this key were left out since the last one; nullopt: this line is left out
    // too. `peer` is usually peer_of(fields).
    std::optional<std::uint64_t> take(Level level, std::string_view message, Fields fields,
                                      std::string_view peer, Clock::time_point now);

    // The same for a line that has another place if not this one: nothing is counted as left out.
    bool allows(std::string_view message, Fields fields, std::string_view peer,
                Clock::time_point now);

    // When collect() has something to say.
    std::optional<Clock::time_point> due() const { return due_; }

    // The lines left out that no line has mentioned yet; empty before due(), unless `now` is
    // nullopt. The last entry may sum up many keys.
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
        double left = 0; // at `since`; negative after a long line, down to a bound
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
    Entry overflow_;  // shared by all keys that do not fit
    std::string key_; // reused to avoid allocation
    std::optional<Clock::time_point> due_;
    Clock::time_point forgot_{};
};

// Whom a line is about, according to its fields: the proved name of an origin proxy, or the address
// of a peer without its port, which changes with each connection; otherwise the service. Empty:
// nobody.
std::string_view peer_of(Fields fields);

} // namespace tunnel::log
