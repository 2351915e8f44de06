// Connects to Unix sockets for a process that has given up the right to.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/base/asio.hpp"
#include "common/base/fd.hpp"
#include "common/sandbox/sandbox.hpp"
#include "common/sandbox/user.hpp"
#include "common/transport/unix_dial.hpp"

namespace tunnel {

// A helper process that connects to the paths that it was told, and to no other, and passes the
// descriptors. It is told them at the start, and later by the file reader process alone, which has
// them from the configuration: not by the program, which whoever takes it over could make say
// anything.
class UnixDialer {
public:
    // Starts the helper, before any thread is started; it connects as `user`, if there is one.
    // Throws std::system_error.
    UnixDialer(asio::io_context& io, Sandbox sandbox, const std::optional<User>& user,
               std::vector<std::string> paths);

    UnixDialer(const UnixDialer&) = delete;
    UnixDialer& operator=(const UnixDialer&) = delete;
    ~UnixDialer();

    // One attempt, as try_unix(). permission_denied: the path is none of those that it was told.
    awaitable<UnixAttempt> connect(std::string path);

    // The end by which the file reader tells it other paths, with tell_paths().
    Fd take_control() { return std::move(control_); }

private:
    struct State;

    std::shared_ptr<State> state_;
    Fd control_;
};

// In the file reader process: from now on these are the paths. What the program asks for after it
// has heard from the file reader is judged by them.
void tell_paths(int control, const std::vector<std::string>& paths);

// What dial_unix() connects through on this thread; null: this process itself. It must live as
// long.
void dial_unix_through(UnixDialer* dialer);
UnixDialer* unix_dialer_in_use();

} // namespace tunnel
