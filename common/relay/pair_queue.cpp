#include "common/relay/pair_queue.hpp"

namespace tunnel {

void PairQueue::put(Pair& pair, Time due)
{
    if (!contains(pair)) {
        heap_.push_back({due, &pair});
        pair.*place_ = static_cast<QueuePlace>(heap_.size() - 1);
    }
    move_to_right_place(pair.*place_, {due, &pair});
}

void PairQueue::remove(Pair& pair)
{
    if (!contains(pair))
        return;
    const std::size_t hole = pair.*place_;
    const Entry last = heap_.back();
    heap_.pop_back();
    if (last.pair != &pair)
        move_to_right_place(hole, last);
    pair.*place_ = not_queued;
}

void PairQueue::set(std::size_t place, const Entry& entry)
{
    heap_[place] = entry;
    entry.pair->*place_ = static_cast<QueuePlace>(place);
}

// What stands at `place` is replaced.
void PairQueue::move_to_right_place(std::size_t place, const Entry& entry)
{
    while (place > 0 && entry.due < heap_[(place - 1) / 2].due) {
        set(place, heap_[(place - 1) / 2]);
        place = (place - 1) / 2;
    }
    for (std::size_t child; (child = 2 * place + 1) < heap_.size(); place = child) {
        if (child + 1 < heap_.size() && heap_[child + 1].due < heap_[child].due)
            ++child;
        if (entry.due <= heap_[child].due)
            break;
        set(place, heap_[child]);
    }
    set(place, entry);
}

} // namespace tunnel
