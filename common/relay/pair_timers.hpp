// When the pairs of a worker come due.
#pragma once

#include <optional>

#include "common/relay/pair.hpp"
#include "common/relay/pair_queue.hpp"

namespace tunnel {

// Two queues: of the limits of time that pairs are under, and of the turns that they wait for under
// a bandwidth limit. Bytes do not touch the former, they only note their time: a timer that comes
// due is set anew if there were any since.
class PairTimers {
public:
    using Time = Pair::Clock::time_point;

    explicit PairTimers(const RelayOptions& options) : options_(options) {}

    // Puts the pair under the limit that holds for its state, counted from its last byte; before
    // its start, from its beginning.
    void set(Pair& pair, Time now);

    // Whether a pair has come to its limit; then first_due() is one.
    bool is_due(Time now) const { return !timers_.empty() && timers_.first_due() <= now; }

    Pair& first_due() { return timers_.first(); }

    // Of that: how it is to end. nullopt: not yet, and its timer is set anew.
    std::optional<End> examine(Pair& pair, Time now);

    // The pair waits for the turn of one of its directions, or of the other that comes before.
    void await_turn(Pair& pair, Time due);

    bool is_turn_due(Time now) const { return !turns_.empty() && turns_.first_due() <= now; }

    // The pair whose turn is due; it waits no more.
    Pair& take_turn();

    void forget(Pair& pair);

    // When anything comes due next.
    Time next() const;

private:
    void put(Pair& pair, Time due);
    std::optional<End> examine_start(Pair& pair, Time now);

    const RelayOptions& options_;
    PairQueue timers_{&Pair::timer};
    PairQueue turns_{&Pair::turn}; // of pairs that are throttled
};

} // namespace tunnel
