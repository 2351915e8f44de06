// Pairs in the order in which they come due.
#pragma once

#include <cstdint>
#include <vector>

#include "common/relay/pair.hpp"

namespace tunnel {

// A heap in which each pair knows its place, so it can be moved and taken out. A pair that
// comes or leaves costs no allocation, as a node for each would: most do so within moments.
class PairQueue {
public:
    using Time = Pair::Clock::time_point;
    using Place = QueuePlace Pair::*;

    // Its pairs have their place in it there.
    explicit PairQueue(Place place) : place_(place) {}

    bool empty() const { return heap_.empty(); }

    // Of one that is not empty.
    Time first_due() const { return heap_.front().due; }

    Pair& first() const { return *heap_.front().pair; }

    bool contains(const Pair& pair) const { return pair.*place_ != not_queued; }

    // Of one that is in it.
    Time due(const Pair& pair) const { return heap_[pair.*place_].due; }

    // Whether it was in it or not.
    void put(Pair& pair, Time due);

    void remove(Pair& pair);

private:
    struct Entry {
        Time due;
        Pair* pair;
    };

    void set(std::size_t place, const Entry& entry);
    void move_to_right_place(std::size_t place, const Entry& entry);

    const Place place_;
    std::vector<Entry> heap_; // the parent of i is (i - 1) / 2, and not due after it
};

} // namespace tunnel
