// The connection of one client of the management interface.
#pragma once

#include <array>
#include <string>
#include <string_view>

#include "common/asio.hpp"
#include "common/net/fd.hpp"

namespace tunnel {

// TCP or a Unix socket. Each wait has a limit, after which it throws std::system_error with
// timed_out; then nothing more comes of what was waited for.
class ManagementClient {
public:
    ManagementClient(const asio::any_io_executor& executor, Fd socket);

    // What has come, until the next call; empty: the client has finished.
    awaitable<std::string_view> read(Clock::time_point limit);

    awaitable<void> write(std::string bytes, Clock::time_point limit);

    // Sends the end of the stream, and gives the client time to read what was written before: to
    // close while it still sends would throw that away. Never throws but when it is cancelled.
    awaitable<void> finish(Clock::time_point limit);

private:
    asio::posix::stream_descriptor socket_;
    std::array<char, 4096> buffer_;
};

} // namespace tunnel
