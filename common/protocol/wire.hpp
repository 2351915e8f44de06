// Frames on a connection. Each channel must outlive what reads and writes it.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "common/base/asio.hpp"
#include "common/protocol/frame.hpp"
#include "common/transport/async_channel.hpp"

namespace tunnel {

// A frame from somebody who has not proved anything yet is at most this long, header included.
inline constexpr std::size_t largest_first_frame = 4096;

// No frame that may be the first of a connection is shorter than this, magic and header included:
// so much may be read at once without taking a byte of what follows it.
inline constexpr std::size_t smallest_first_frame = 26;

// So many reads and frames of one peer are dealt with in a row. Then all others have a turn: other
// peers, timers, and visitors.
inline constexpr int most_steps_in_a_turn = 16;

// So many frames of unknown kinds are skipped where a certain frame is due. A later version may add
// a few; a peer that sends more only keeps this side busy.
inline constexpr int most_unknown_frames = 16;

// The only way by which what a peer sends comes into a coroutine of the control plane. Reading what
// is there takes no turn of the loop by itself, so a peer that sends without a pause would keep
// everybody else waiting, and no deadline would fire. Hence this counts, and yields by itself.
class TurnReader {
public:
    explicit TurnReader(AsyncChannel& channel) : channel_(channel) {}

    // Takes what is there, at least one byte, and waits if there is nothing. Throws
    // std::system_error, operation_aborted if the socket was closed meanwhile.
    awaitable<std::size_t> read_some(std::span<std::uint8_t> room);
    awaitable<void> read_all(std::span<std::uint8_t> room);

    // Counts a frame that is about to be taken out of what was read.
    awaitable<void> begin_frame();

    // Gives others a turn, unless they have had one since this reader was made. Whoever makes one
    // for each frame calls it after the frame; else nobody would have a turn between the frames.
    awaitable<void> finish();

private:
    awaitable<void> yield();

    bool used_up() const { return steps_left_ == 0; }

    AsyncChannel& channel_;
    int steps_left_ = most_steps_in_a_turn;
    bool others_had_turn_ = false;
};

// The magic and the first frame, and not one byte more. Throws std::system_error: not_our_protocol
// as soon as that shows, malformed_frame, also for one of a size that no first frame has, or what
// the socket says.
awaitable<Frame> read_first_frame(AsyncChannel& channel);

// The next frame, and not one byte more, for a connection whose later bytes are a visitor's. Throws
// std::system_error: malformed_frame, also for one larger than largest_first_frame,
// too_many_unknown, or what the socket says. Unknown kinds are skipped.
awaitable<Frame> read_frame(AsyncChannel& channel);

// Takes the first frame out of what was received, if it is there whole; kinds unknown are skipped,
// and counted in `unknown`. Throws as above.
std::optional<Frame> take_frame(std::string& received, int& unknown);

// Reads the frames of a control connection, as many as come with one read.
class FrameReader {
public:
    explicit FrameReader(AsyncChannel& channel) : reader_(channel), buffer_(initial_capacity) {}

    // As read_frame(), but any number of frames of unknown kinds is skipped.
    awaitable<Frame> next();

private:
    // Room for some dozens of announcements; grows to one frame of the largest size if need be.
    static constexpr std::size_t initial_capacity = 4096;

    // Makes at least `size` unread bytes available.
    awaitable<void> fill(std::size_t size);

    TurnReader reader_;
    std::vector<std::uint8_t> buffer_;
    std::size_t begin_ = 0;
    std::size_t end_ = 0;
};

// Writes `bytes` whole. Throws std::system_error.
awaitable<void> send(AsyncChannel& channel, std::string bytes);

// Sends `bytes` as the last of the connection and returns when the peer has closed it, after a
// second at most: closing while something is unread is a reset, and a reset can overtake what was
// sent. Throws only operation_aborted, when the caller is cancelled.
awaitable<void> send_last(AsyncChannel& channel, std::string bytes);

} // namespace tunnel
