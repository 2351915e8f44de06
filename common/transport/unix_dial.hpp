// Connecting to a Unix socket.
#pragma once

#include <string>
#include <system_error>

#include "common/base/asio.hpp"
#include "common/base/fd.hpp"

namespace tunnel {

// What one attempt came to: a connected socket, non-blocking, or why there is none.
struct UnixAttempt {
    Fd socket{};
    std::error_code error{};
};

// Never waits. The error is resource_unavailable_try_again while the server's queue is full.
UnixAttempt try_unix(const std::string& path);

// The same, through the UnixDialer if there is one, and again while the queue is full. Throws
// std::system_error: timed_out at the deadline, or what the system says.
awaitable<Fd> dial_unix(std::string path, Clock::time_point deadline);

} // namespace tunnel
