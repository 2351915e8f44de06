// One pair of sockets, and how its bytes cross. No loop, no clock: the worker tells what became
// ready and asks for progress.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "common/relay/bandwidth.hpp"
#include "common/relay/framing.hpp"
#include "common/relay/pipe.hpp"
#include "common/relay/relay.hpp"
#include "common/transport/tls.hpp"

namespace tunnel {

// How much is read at once, and so how large the worker's buffer is. A plain stream that fills its
// piece is spliced from then on. An encrypted one is copied for ever, and costs a tenth less so
// than in pieces of 64 KiB; but what the receiver does not take is held, so pieces are that large
// only while the receiver's socket has room for them.
inline constexpr std::size_t plain_piece = 64 * 1024;
inline constexpr std::size_t encrypted_piece = 128 * 1024;
inline constexpr std::size_t first_encrypted_piece = 40 * 1024;
inline constexpr std::size_t least_encrypted_piece = 32 * 1024;

// What one call of Direction::pump came to.
enum class Progress : std::uint8_t {
    waiting,     // nothing more can be done until a socket becomes ready
    more,        // the budget is used up, there may be more to do
    throttled,   // a limit allows no more until turn_due()
    finished,    // the end of the stream has been passed on
    from_failed, // reading failed: the sender's connection broke
    to_failed,   // writing failed: the receiver's connection broke
    refused,     // the sender will not take the stream on
    forbidden,   // the guard does not let the stream pass
};

// What a worker lends to the direction that is being pumped.
struct Means {
    std::span<std::byte> buffer; // encrypted_piece bytes; free again after each call
    PipePool& pipes;
    Bandwidth::Clock::time_point now;
    bool closes_next = false; // both sockets, if this direction finishes: that ends the stream too
    // After it no piece is begun but the first.
    Bandwidth::Clock::time_point until = Bandwidth::Clock::time_point::max();
};

// What a direction does about the frames of a framed connection.
enum class Framing : std::uint8_t { none, adds, takes_off };

// The bytes from one socket to the other. Small pieces are copied through the worker's buffer; a
// read that fills it switches to splicing through a pipe, a few small pieces switch back; where one
// side is encrypted all are copied. At rest a direction holds neither. Edge-triggered: a socket
// counts as ready from the event until a system call says otherwise.
//
// Beside a framed connection it adds frames or takes them off, and passes the end of the stream on
// as a frame, as long as the pieces are small. A stream of large ones goes on raw.
class Direction {
public:
    explicit Direction(Framing framing = Framing::none) : framing_(framing) {}

    // What is read from now on keeps these limits.
    void limit(Bandwidths limits);

    // After Progress::throttled at `now`: when to go on.
    Bandwidth::Clock::time_point turn_due(Bandwidth::Clock::time_point now) const
    {
        return allowance_->due(now);
    }

    // Goes out before everything that is read, and does not count as the stream's.
    void send_first(std::string_view bytes);

    // What send_first() was given goes out with the first piece that is read, or after hurry().
    void wait_for_piece() { waits_for_piece_ = true; }

    bool waits_for_piece() const { return waits_for_piece_; }

    void hurry() { waits_for_piece_ = false; }

    // Was read from the sender before.
    void receive_first(std::string bytes);

    // Peeks at the sender's bytes, and takes none until start(); `ahead` of them were sent so.
    void await_start(std::size_t ahead);

    bool awaits_start() const { return awaits_start_; }

    // From here on the sender's bytes are taken, first those that were peeked at.
    void start();

    // The sender has said that it takes the stream on.
    bool heard_start() const { return heard_start_; }

    // The body of the sender's refusal.
    std::string take_refusal() { return std::move(rare().refusal); }

    bool in_frames() const { return framing_ != Framing::none; }

    // The stream has ended by a frame, so the connection may carry another.
    bool ended_in_frame() const { return finished_ && framing_ != Framing::none; }

    // What came after the end.
    std::string take_received() { return rare_ ? std::move(rare_->received) : std::string(); }

    // Null: nobody looks at the first bytes.
    void guard(Guard looks) { guard_ = looks; }

    void can_read() { readable_ = true; }

    void can_write() { writable_ = true; }

    // A short read no longer means "drained", so read until the kernel says so: the sender has
    // ended its stream, or sent urgent data or descriptors, at which a read stops short.
    void read_until_told() { short_read_says_nothing_ = true; }

    // The sender has sent urgent data.
    void saw_urgent_data()
    {
        saw_urgent_data_ = true;
        read_until_told();
    }

    // Moves what can be moved from `from` to `to`, with not much more work() than `budget`, nor
    // much longer than `means.until`, however little the sender's bytes come to.
    Progress pump(const Side& from, const Side& to, const Means& means, std::size_t budget);

    // That the receiver has taken, without frames.
    std::uint64_t bytes() const { return bytes_ - std::min(bytes_, overhead_); }

    // What the receiver has not taken and waits in this process' memory.
    std::size_t held() const { return held_.end; }

    // What reading has taken so far, in bytes of a large piece that take as long: a sender may send
    // frames or TLS records in which there is hardly anything.
    std::uint64_t work() const { return work_; }

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

    // What few directions ever need, and then for a moment.
    struct Rare {
        std::string received; // before, and not looked at yet
        std::string refusal;
    };

    Rare& rare();

    bool has_received() const { return rare_ && !rare_->received.empty(); }

    // Each of these answers `more` when the way is clear for the next step.
    Progress flush(const Side& to);
    Progress flush_pipe(int to);
    Progress flush_held(const Side& to);
    Progress move_piece(const Side& from, const Side& to, const Means& means, std::size_t& moved);
    Progress copy(const Side& from, const Side& to, std::span<std::byte> buffer, std::size_t most,
                  std::size_t& moved);
    std::size_t largest_piece(const Side& from, const Side& to) const;
    Progress receive(const Side& from, std::span<std::byte> room, std::size_t& size);
    std::span<const std::byte> framed(std::span<std::byte> buffer, std::size_t size);
    Progress take_frames_off(std::span<std::byte> bytes, std::span<const std::byte>& payload);
    Progress begin_frame();
    Progress peek(const Side& from, const Side& to, const Means& means);
    Progress look_at_beginning(int from);
    Progress take_ahead(int from);
    Progress pass_end(const Side& to, const Means& means);
    Progress splice(int from, std::size_t most, std::size_t& moved);
    ssize_t read(const Side& from, std::span<std::byte> room) const;
    Progress failed_to_read();

    // Writes until `bytes` is empty or the receiver takes no more; leaves what is left over.
    Progress write(const Side& to, std::span<const std::byte>& bytes);
    void hold(std::span<const std::byte> rest);

    std::uint64_t bytes_ = 0;    // written, frames included
    std::uint64_t overhead_ = 0; // of them what belongs to frames
    std::uint64_t work_ = 0;
    std::unique_ptr<Rare> rare_;
    std::unique_ptr<Allowance> allowance_; // none: no limit
    std::size_t ahead_ = 0;                // sent, but not taken from the sender
    Guard guard_ = nullptr;                // until it has decided
    Held held_;
    PipePool::Lease pipe_;
    std::array<std::byte, frame_header_size> header_{}; // of the frame that is being taken off
    std::uint8_t header_held_ = 0;
    std::uint16_t body_left_ = 0;
    std::uint8_t small_pieces_ = 0; // in a row, while splicing
    Framing framing_;
    bool awaits_start_ = false;
    bool heard_start_ = false;
    bool waits_for_piece_ = false; // what is held
    bool splicing_ = false;
    bool readable_ = false; // the first event says whether it is
    bool writable_ = true;
    bool short_read_says_nothing_ = false;
    bool saw_urgent_data_ = false;
    bool comes_in_bulk_ = false; // the piece before was large
    bool must_ask_recv_ = false; // what splice() has said may be about a mark of urgent data only
    bool saw_end_ = false;
    bool finished_ = false;
};

// Two sockets, the two directions between them, and what is reported at the end.
struct Pair {
    using Clock = std::chrono::steady_clock;
    using Timers = std::multimap<Clock::time_point, Pair*>;

    Pair(Fd one, Fd other, Relay::Done when_done)
        : first(std::move(one)), second(std::move(other)), done(std::move(when_done))
    {
    }

    Pair(Fd one, Framed other, Relay::Done when_done);

    Fd first;
    Fd second;
    Tls second_tls;  // nothing if it is not encrypted
    Direction forth; // first to second
    Direction back;  // second to first
    Relay::Done done;
    Clock::time_point began;
    Clock::time_point last_byte; // of either direction, or `began`
    Timers::iterator timer;      // valid while `timed`
    Timers::iterator turn;       // valid while `throttled`
    std::uint64_t group = 0;     // see Relay::end_group()
    PairView* view = nullptr;    // null: nobody looks
    int unacknowledged = 0;      // when a timer last came due: what the kernel still held
    std::size_t place = 0;       // in the worker's list of pairs
    bool timed = false;
    bool throttled = false; // one direction at least waits for its turn under a limit
    bool queued = false;    // has more to move and waits for its turn
    bool starting = false;  // its start waits for the first piece of the answer
    bool ended = false;
    bool is_load = true; // counts in Worker::load()

    Side first_side() const { return {first.get()}; }

    Side second_side() { return {second.get(), second_tls ? &second_tls : nullptr}; }

    bool framed() const { return forth.in_frames() || back.in_frames(); }

    // Both streams have ended, and the second socket may carry others.
    bool second_is_reusable() const { return forth.ended_in_frame() && back.ended_in_frame(); }

    // The bytes so far, to whoever looks.
    void show() const
    {
        if (view == nullptr)
            return;
        view->first_to_second.store(forth.bytes(), std::memory_order_relaxed);
        view->second_to_first.store(back.bytes(), std::memory_order_relaxed);
    }

    bool half_closed() const { return forth.saw_end() || back.saw_end(); }
};

} // namespace tunnel
