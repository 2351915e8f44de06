// The connection of one visitor at the HTTP address, as bytes.
#pragma once

#include <span>
#include <string_view>

#include "common/base/asio.hpp"
#include "common/base/fd.hpp"

namespace tunnel {

// Each wait has a limit, after which it throws std::system_error with timed_out. All of them throw
// what the system says of a connection that is lost, or closed by close().
class HttpVisitor {
public:
    // Throws std::system_error if the system watches no more descriptors.
    HttpVisitor(const asio::any_io_executor& executor, Fd socket, const tcp::endpoint& peer);

    const tcp::endpoint& peer() const { return peer_; }

    // What has come, in `room`: nothing was suspended since it was put there, so that one buffer is
    // enough for all visitors. Empty: the visitor has finished.
    awaitable<std::string_view> read(std::span<char> room, Clock::time_point limit);

    // `bytes` must stay until it returns.
    awaitable<void> write(std::string_view bytes, Clock::time_point limit);

    // Ends the stream, and gives the visitor until the limit to read and to end its own: closing
    // while it still sends resets the connection, by which an answer can be lost. A body of any
    // size may be under way, so only its first 64 KiB are taken, into `room` and away. Does not
    // throw.
    awaitable<void> finish(std::span<char> room, Clock::time_point limit);

    // Whoever waits here fails.
    void close();

    // Unsent data in the kernel is discarded when this is destroyed.
    void reset_at_end();

private:
    asio::posix::stream_descriptor socket_;
    tcp::endpoint peer_;
};

} // namespace tunnel
