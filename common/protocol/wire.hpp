// Frames on a socket.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "common/asio.hpp"
#include "common/protocol/frame.hpp"

namespace tunnel {

// A frame from somebody who has not proved anything yet is at most this long, header included.
inline constexpr std::size_t largest_first_frame = 4096;

// No frame that may be the first of a connection is shorter than this, magic and header included:
// so much may be read at once without taking a byte of what follows it.
inline constexpr std::size_t smallest_first_frame = 26;

// The magic and the first frame, and not one byte more. Throws std::system_error: not_our_protocol
// as soon as that shows, malformed_frame, also for one of a size that no first frame has, or what
// the socket says.
awaitable<Frame> read_first_frame(tcp::socket& socket);

// The next frame, and not one byte more, for a connection whose later bytes are a visitor's. Throws
// std::system_error: malformed_frame, also for one larger than largest_first_frame, or what the
// socket says. Unknown kinds are skipped.
awaitable<Frame> read_frame(tcp::socket& socket);

// Takes the first frame out of what was received, if it is there whole; kinds unknown are skipped.
// Throws as above.
std::optional<Frame> take_frame(std::string& received);

// Reads the frames of a control connection, as many as come with one read.
class FrameReader {
public:
    // `socket` must outlive the reader.
    explicit FrameReader(tcp::socket& socket) : socket_(socket), buffer_(initial_capacity) {}

    // As read_frame().
    awaitable<Frame> next();

private:
    // Room for some dozens of announcements; grows to one frame of the largest size if need be.
    static constexpr std::size_t initial_capacity = 4096;

    // Makes at least `size` unread bytes available.
    awaitable<void> fill(std::size_t size);

    tcp::socket& socket_;
    std::vector<std::uint8_t> buffer_;
    std::size_t begin_ = 0;
    std::size_t end_ = 0;
};

// Writes `bytes` whole. Throws std::system_error.
awaitable<void> send(tcp::socket& socket, std::string bytes);

// Sends `bytes` as the last of the connection and returns when the peer has closed it, after a
// second at most: closing while something is unread is a reset, and a reset can overtake what was
// sent. Throws only operation_aborted, when the caller is cancelled.
awaitable<void> send_last(tcp::socket& socket, std::string bytes);

} // namespace tunnel
