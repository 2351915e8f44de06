// Frames on a socket.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "common/asio.hpp"
#include "common/protocol/frame.hpp"
#include "common/security/tls.hpp"

namespace tunnel {

// The socket that frames come and go by, and what encrypts it, if anything does. Both must outlive
// it.
struct Wire {
    Wire(tcp::socket& its_socket, Tls* its_tls = nullptr)
        : socket(&its_socket), tls(its_tls != nullptr && *its_tls ? its_tls : nullptr)
    {
    }

    Side side() const { return {socket->native_handle(), tls}; }

    tcp::socket* socket;
    Tls* tls;
};

// A frame from somebody who has not proved anything yet is at most this long, header included.
inline constexpr std::size_t largest_first_frame = 4096;

// No frame that may be the first of a connection is shorter than this, magic and header included:
// so much may be read at once without taking a byte of what follows it.
inline constexpr std::size_t smallest_first_frame = 26;

// The magic and the first frame, and not one byte more. Throws std::system_error: not_our_protocol
// as soon as that shows, malformed_frame, also for one of a size that no first frame has, or what
// the socket says.
awaitable<Frame> read_first_frame(Wire wire);

// The next frame, and not one byte more, for a connection whose later bytes are a visitor's. Throws
// std::system_error: malformed_frame, also for one larger than largest_first_frame, or what the
// socket says. Unknown kinds are skipped.
awaitable<Frame> read_frame(Wire wire);

// Takes the first frame out of what was received, if it is there whole; kinds unknown are skipped.
// Throws as above.
std::optional<Frame> take_frame(std::string& received);

// Reads the frames of a control connection, as many as come with one read.
class FrameReader {
public:
    explicit FrameReader(Wire wire) : wire_(wire), buffer_(initial_capacity) {}

    // As read_frame().
    awaitable<Frame> next();

private:
    // Room for some dozens of announcements; grows to one frame of the largest size if need be.
    static constexpr std::size_t initial_capacity = 4096;

    // Makes at least `size` unread bytes available.
    awaitable<void> fill(std::size_t size);

    Wire wire_;
    std::vector<std::uint8_t> buffer_;
    std::size_t begin_ = 0;
    std::size_t end_ = 0;
};

// Writes `bytes` whole. Throws std::system_error.
awaitable<void> send(Wire wire, std::string bytes);

// Sends `bytes` as the last of the connection and returns when the peer has closed it, after a
// second at most: closing while something is unread is a reset, and a reset can overtake what was
// sent. Throws only operation_aborted, when the caller is cancelled.
awaitable<void> send_last(Wire wire, std::string bytes);

} // namespace tunnel
