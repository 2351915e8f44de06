// One pair of sockets, and how its bytes cross. No loop, no clock: the worker tells what became
// ready and asks for progress.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <span>

#include "common/relay/relay.hpp"

namespace tunnel {

// What one call of Direction::pump came to.
enum class Progress : std::uint8_t {
    waiting,     // nothing more can be done until a socket becomes ready
    more,        // the budget is used up, there may be more to do
    finished,    // the end of the stream has been passed on
    from_failed, // reading failed: the sender's connection broke
    to_failed,   // writing failed: the receiver's connection broke
};

// The bytes from one socket to the other. Edge-triggered: a socket counts as ready from the event
// until a system call says otherwise.
class Direction {
public:
    void can_read() { readable_ = true; }

    void can_write() { writable_ = true; }

    // A short read no longer means "drained", so read until the kernel says so: the sender has
    // ended its stream, or sent urgent data, at whose mark a read stops short.
    void read_until_told() { short_read_says_nothing_ = true; }

    // Moves what can be moved from `from` to `to` through `shared`, a buffer that is free again
    // after the call, but not much more than `budget` bytes.
    Progress pump(int from, int to, std::span<std::byte> shared, std::size_t budget);

    std::uint64_t bytes() const { return bytes_; }

    // The sender has said that it has no more.
    bool saw_end() const { return saw_end_; }

    bool finished() const { return finished_; }

private:
    // What the receiver did not take when it was read. Only a blocked direction has one, and it is
    // never larger than the shared buffer.
    struct Held {
        std::unique_ptr<std::byte[]> bytes;
        std::uint32_t begin = 0;
        std::uint32_t end = 0;
    };

    // Writes until `bytes` is empty or the receiver takes no more; answers what is left over.
    // Progress::waiting is no failure here.
    Progress write(int to, std::span<const std::byte>& bytes);
    Progress flush_held(int to);
    void hold(std::span<const std::byte> rest);

    std::uint64_t bytes_ = 0;
    Held held_;
    bool readable_ = true;
    bool writable_ = true;
    bool short_read_says_nothing_ = false;
    bool saw_end_ = false;
    bool finished_ = false;
};

// Two sockets, the two directions between them, and what is reported at the end.
struct Pair {
    using Clock = std::chrono::steady_clock;
    using Timers = std::multimap<Clock::time_point, Pair*>;

    Fd first;
    Fd second;
    Direction forth; // first to second
    Direction back;  // second to first
    Relay::Done done;
    Clock::time_point began;
    Clock::time_point last_byte; // of either direction, or `began`
    Timers::iterator timer;      // valid while `timed`
    int unacknowledged = 0;      // when a timer last came due: what the kernel still held
    std::size_t place = 0;       // in the worker's list of pairs
    bool timed = false;
    bool queued = false; // has used its budget up and waits for its next turn
    bool ended = false;

    bool half_closed() const { return forth.saw_end() || back.saw_end(); }
};

} // namespace tunnel
