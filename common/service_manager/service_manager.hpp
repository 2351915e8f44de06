// What a service manager such as systemd is told of this program: the protocol of sd_notify(3).
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <sys/types.h>

#include "common/base/fd.hpp"

namespace tunnel {

// Each message is a datagram to the socket that the environment names. Sending never waits and
// never fails: what cannot be told is lost. Without a service manager nothing is sent.
class ServiceManager {
public:
    using Clock = std::chrono::steady_clock;

    // None.
    ServiceManager() = default;

    // Of NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID, which are taken out of the environment.
    // Connects to the socket, so call it before the sandbox is entered and before the user is
    // changed, and while there is one thread.
    static ServiceManager from_environment();

    bool is_there() const { return socket_.is_open(); }

    // The program serves.
    void ready(std::string_view status = {});

    // Files are read again, until ready() is called.
    void reloading();

    // It ends, for which it needs `most` at most.
    void stopping(std::chrono::milliseconds most);

    // One line that says how it is. Sent only if it is not the same as before.
    void status(std::string_view text);

    // Another process is the service from now on.
    void main_pid(pid_t pid);

    // The program lives; to be said more often than the watchdog's interval.
    void alive();

    // What a process that takes over is told, with the watchdog's interval: its own environment may
    // not have it. `state` is an object of JSON.
    std::string with_watchdog(const std::string& state) const;

    // Takes the interval out of that, unless it knows one.
    void take_watchdog(const std::string& state);

    // nullopt: nobody watches this process.
    std::optional<std::chrono::microseconds> watchdog() const { return watchdog_; }

private:
    void watch_every(std::uint64_t microseconds);
    void send(const std::string& message) const;

    Fd socket_; // not open: nobody is told
    std::optional<std::chrono::microseconds> watchdog_;
    std::string status_; // the last one that was sent
};

} // namespace tunnel
