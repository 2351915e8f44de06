// Waits until idle connections become readable.
#pragma once

#include <cstdint>
#include <functional>
#include <unordered_map>

#include "common/base/fd.hpp"

namespace tunnel {

// An epoll instance for connections that mostly wait, and are elsewhere in between. A connection
// stays known to it until it is closed, so that each wait takes one system call; asio takes four.
// Nothing here owns a descriptor.
class IdleWatch {
public:
    // Names one wait; never twice the same.
    using Wait = std::uint64_t;

    // Throws std::system_error if the system grants no epoll instance.
    IdleWatch();

    // Calls `on_readable` once, from work(), when there is something to read, or the connection has
    // ended. The connection must not have another wait. Throws std::system_error.
    Wait await(int descriptor, std::function<void()> on_readable);

    // The same for one that is not known here: that saves a system call.
    Wait await_new(int descriptor, std::function<void()> on_readable);

    // The callback is not called any more. Before the descriptor is closed.
    void forget(Wait wait) { waits_.erase(wait); }

    // The same for one that is open and not watched from here on.
    void leave(Wait wait, int descriptor);

    // Calls back for some of those that are ready, a few at a time since others have their turn
    // between. Callbacks may call all of this. How many were ready.
    int work();

    // Readable while work() has something to do.
    int descriptor() const { return epoll_.get(); }

private:
    Wait begin(int descriptor, std::function<void()> on_readable, bool is_known);

    Fd epoll_;
    Wait latest_ = 0;
    std::unordered_map<Wait, std::function<void()>> waits_;
};

} // namespace tunnel
