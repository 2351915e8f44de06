// The bytes of a pair that go one way. No loop, no clock: the worker tells what became ready and
// asks for progress.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <sys/types.h>

#include "common/relay/bandwidth.hpp"
#include "common/relay/filter_use.hpp"
#include "common/relay/held_bytes.hpp"
#include "common/relay/pipe.hpp"
#include "common/relay/relay.hpp"
#include "common/relay/stream_framer.hpp"
#include "common/transport/channel.hpp"

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
    bool closes_next = false; // both channels, if this direction finishes: that ends the stream too
    // After it no piece is begun but the first.
    Bandwidth::Clock::time_point until = Bandwidth::Clock::time_point::max();
    Guard* guard = nullptr; // of the stream's first bytes; becomes null once it lets them pass
    FilterUse filter{};
};

// The bytes from one channel to the other. Small pieces are copied through the worker's buffer; a
// read that fills it switches to splicing through a pipe, a few small pieces switch back; where one
// side is encrypted all are copied. At rest a direction holds neither. Edge-triggered: a socket
// counts as ready from the event until a system call says otherwise.
//
// Beside a framed connection it adds frames or takes them off, and passes the end of the stream on
// as a frame, as long as the pieces are small. A stream of large ones goes on raw.
class Direction {
public:
    explicit Direction(Framing framing = Framing::none) : framer_(framing) {}

    // What is read from now on keeps these limits.
    void limit(Bandwidths limits);

    // After Progress::throttled at `now`: when to go on.
    Bandwidth::Clock::time_point turn_due(Bandwidth::Clock::time_point now) const
    {
        return allowance_->due(now);
    }

    // Goes out before everything that is read, and does not count as the stream's.
    void send_first(std::string_view bytes);

    // Goes out next, and is the stream's.
    void begin_with(std::string_view bytes);

    // What send_first() was given goes out with the first piece that is read, or after hurry().
    void wait_for_piece() { waits_for_piece_ = true; }

    bool waits_for_piece() const { return waits_for_piece_; }

    void hurry() { waits_for_piece_ = false; }

    // Peeks at the sender's bytes, and takes none until start(). What send_first() was given before
    // goes out with the first of them, if they are there already.
    void await_start();

    bool awaits_start() const { return awaits_start_; }

    // Awaits the start, and has not even begun to tell its peer of the stream.
    bool has_sent_nothing() const { return announces_; }

    // From here on the sender's bytes are taken, first those that were peeked at.
    void start();

    // The sender has said that it takes the stream on.
    bool heard_start() const { return framer_.heard_start(); }

    // The body of the sender's refusal.
    std::string take_refusal() { return framer_.take_refusal(); }

    bool in_frames() const { return framer_.in_frames(); }

    // The receiver, or the pipe to it, has all.
    bool is_flushed() const { return held_.empty() && !(pipe_ && pipe_->held > 0); }

    // The sender has ended the stream by a frame.
    bool saw_frame_end() const { return framer_.in_frames() && framer_.heard_end(); }

    // No part of a frame is under way.
    bool is_between_frames() const { return framer_.is_between_frames(); }

    // The stream has ended by a frame, so the connection may carry another.
    bool ended_in_frame() const { return finished_ && framer_.in_frames(); }

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
    Progress pump(Channel& from, Channel& to, const Means& means, std::size_t budget);

    // That the receiver has taken, without frames.
    std::uint64_t bytes() const { return bytes_ - std::min(bytes_, overhead_); }

    // What the receiver has not taken and waits in this process' memory.
    std::size_t held() const { return held_.size(); }

    // What reading has taken so far, in bytes of a large piece that take as long: a sender may send
    // frames or TLS records in which there is hardly anything.
    std::uint64_t work() const { return work_; }

    // The sender has said that it has no more.
    bool saw_end() const { return saw_end_; }

    bool finished() const { return finished_; }

private:
    bool has_something(const Channel& from) const { return readable_ || from.has_read_ahead(); }

    // Each of these answers `more` when the way is clear for the next step.
    Progress flush(Channel& to);
    Progress flush_pipe(int to);
    Progress flush_held(Channel& to);
    Progress pass_guard(Channel& from, Guard& guard);
    Progress peek(Channel& from, Channel& to, const Means& means);
    Progress take_ahead(Channel& from, std::span<std::byte> buffer);
    Progress filter_piece(Channel& from, Channel& to, const Means& means, std::size_t most,
                          std::size_t& moved);
    Progress show(Channel& from, Channel& to, std::span<const std::byte> bytes, const Means& means);
    Progress await_end(Channel& from, const Means& means);
    Progress note_end(const Means& means);
    Progress move_piece(Channel& from, Channel& to, const Means& means, std::size_t& moved);
    Progress copy(Channel& from, Channel& to, const Means& means, std::size_t most,
                  std::size_t& moved);
    std::size_t largest_piece(const Channel& from, const Channel& to) const;
    Progress receive(Channel& from, std::span<std::byte> room, const Means& means,
                     std::size_t& size);
    ssize_t read(Channel& from, std::span<std::byte> room) const;
    Progress failed_to_read();
    // Before the `size` bytes that stand behind the room for it.
    void add_header(std::span<std::byte> buffer, std::size_t size, bool raw);
    Progress take_frames_off(Channel& from, std::span<std::byte> bytes,
                             std::span<const std::byte>& payload);
    Progress splice(int from, std::size_t most, std::size_t& moved);
    Progress pass_end(Channel& to, const Means& means);

    // Writes until `bytes` is empty or the receiver takes no more; leaves what is left over.
    Progress write(Channel& to, std::span<const std::byte>& bytes);

    // The same, and holds what is left over.
    Progress write_or_hold(Channel& to, std::span<const std::byte> bytes);

    std::uint64_t bytes_ = 0;    // written, frames included
    std::uint64_t overhead_ = 0; // of them what belongs to frames
    std::uint64_t work_ = 0;
    StreamFramer framer_;
    std::unique_ptr<Allowance> allowance_; // none: no limit
    HeldBytes held_;
    PipePool::Lease pipe_;
    std::uint32_t ahead_ = 0;       // sent, but not taken from the sender
    std::uint8_t small_pieces_ = 0; // in a row, while splicing
    bool must_ask_recv_ = false; // what splice() has said may be about a mark of urgent data only
    // Bits, since each idle visitor has four of these.
    bool awaits_start_ : 1 = false;
    bool waits_for_piece_ : 1 = false; // what is held
    bool announces_ : 1 = false;       // what is held goes with the first bytes
    bool splicing_ : 1 = false;
    bool readable_ : 1 = false; // the first event says whether it is
    bool writable_ : 1 = true;
    bool short_read_says_nothing_ : 1 = false;
    bool saw_urgent_data_ : 1 = false;
    bool comes_in_bulk_ : 1 = false; // the piece before was large
    bool saw_more_ : 1 = false;      // what the filter does not want yet
    bool saw_end_ : 1 = false;
    bool finished_ : 1 = false;
};

} // namespace tunnel
