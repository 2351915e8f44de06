// One pair of channels, as a worker has it.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "common/relay/direction.hpp"
#include "common/relay/relay.hpp"

namespace tunnel {

// Where a pair stands in a queue of the worker.
using QueuePlace = std::uint32_t;
inline constexpr QueuePlace not_queued = UINT32_MAX;

// Two channels, the two directions between them, and what is reported at the end.
struct Pair {
    using Clock = std::chrono::steady_clock;

    Pair(Channel one, Channel other, Relay::Done when_done, PairOptions options);

    Channel first;
    Channel second;
    Direction forth; // first to second
    Direction back;  // second to first
    Relay::Done done;
    Clock::time_point began;
    Clock::time_point last_byte;    // of either direction, or `began`
    std::uint64_t group;            // see Relay::end_group()
    PairView* view;                 // null: nobody looks
    std::unique_ptr<Filter> filter; // null: all passes as it is
    std::unique_ptr<Opener> opener; // null: the first is there
    Guard guard;             // of the first's first bytes; null: none, or it has let them pass
    int unacknowledged = 0;  // when a timer last came due: what the kernel still held
    std::uint32_t place = 0; // in the worker's list of pairs
    QueuePlace timer = not_queued;
    QueuePlace turn = not_queued; // queued: a direction waits for its turn under a limit
    const bool was_framed;        // when it began
    const bool first_is_unix;
    bool lacks_keep_alive; // see PairOptions
    bool queued = false;   // has more to move and waits for its turn
    bool starting = false; // its start waits for the first piece of the answer
    bool ended = false;
    bool second_hung_up = false; // its peer has closed it, or half of it
    bool is_load = true;         // counts in Worker::load()
    bool has_begun = false;      // what the filter begins with has been given to `forth`

    // The second's peer has taken the stream on. Before, nothing was taken from the first socket,
    // and nothing given to it.
    bool has_started() const { return !forth.awaits_start() || back.heard_start(); }

    // Sends what the filter begins with, if it is time.
    void begin();

    // The filter wants its channels back, and the first has all that was meant for it.
    bool is_handed_back() const { return filter && filter->is_done() && back.is_flushed(); }

    // Its filter wants to have the channels back, in the place of this end.
    bool outlives(End how) const;

    // How it ends if the second fails now.
    End second_failed() const { return has_started() ? End::second_failed : End::not_started; }

    // The peer of a framed connection closes it only after both streams have ended. If it does so
    // before, it has died, and nothing else may tell: its own stream has ended.
    bool is_cut() const { return second_hung_up && back.ended_in_frame() && !forth.finished(); }

    // Closes the channels, in the way that tells the peers how it ended, but those that the answer
    // carries: the epoll instance must forget these.
    Flow close(End how);

    // Both streams have ended, and the second channel may carry others.
    bool second_is_reusable() const { return forth.ended_in_frame() && back.ended_in_frame(); }

    // The bytes so far, to whoever looks.
    void show() const
    {
        if (view == nullptr)
            return;
        view->first_to_second.store(forth.bytes(), std::memory_order_relaxed);
        view->second_to_first.store(back.bytes(), std::memory_order_relaxed);
    }

    bool is_throttled() const { return turn != not_queued; }

    bool half_closed() const { return forth.saw_end() || back.saw_end(); }

private:
    void hand_back(Flow& flow);
};

} // namespace tunnel
