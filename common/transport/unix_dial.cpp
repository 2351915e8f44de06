#include "common/transport/unix_dial.hpp"

#include <algorithm>
#include <cerrno>
#include <utility>

#include <sys/socket.h>
#include <sys/un.h>

#include "common/base/error.hpp"
#include "common/transport/socket.hpp"
#include "common/transport/unix_dialer.hpp"

namespace tunnel {

namespace {

// A queue that is full moves on within microseconds, or its server hangs.
constexpr auto first_wait = std::chrono::milliseconds(1);
constexpr auto longest_wait = std::chrono::milliseconds(100);

} // namespace

UnixAttempt try_unix(const std::string& path)
{
    sockaddr_un name{};
    name.sun_family = AF_UNIX;
    if (path.size() >= sizeof name.sun_path) // options are checked before
        return {{}, make_error_code(std::errc::filename_too_long)};
    std::ranges::copy(path, std::begin(name.sun_path));
    UnixAttempt attempt{Fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0))};
    if (attempt.socket.is_open())
        keep_urgent_bytes(attempt.socket.get());
    if (!attempt.socket.is_open() ||
        ::connect(attempt.socket.get(), reinterpret_cast<const sockaddr*>(&name), sizeof name) != 0)
        attempt.error = {errno, std::system_category()};
    return attempt;
}

// The kernel does not tell when there is room again: poll() and epoll call a socket that is not
// connected writable at once. So time has to tell.
awaitable<Fd> dial_unix(std::string path, Clock::time_point deadline)
{
    Clock::duration wait = first_wait;
    for (;;) {
        UnixAttempt attempt;
        if (UnixDialer* const dialer = unix_dialer_in_use())
            attempt = co_await dialer->connect(path);
        else
            attempt = try_unix(path);
        if (!attempt.error)
            co_return std::move(attempt.socket);
        if (attempt.error != std::errc::resource_unavailable_try_again &&
            attempt.error != std::errc::interrupted)
            throw std::system_error(attempt.error);
        attempt.socket.close(); // not while it waits: others may need the descriptor
        const auto now = Clock::now();
        if (now >= deadline)
            fail(make_error_code(std::errc::timed_out), "dial");
        co_await sleep_for(std::min(wait, deadline - now));
        wait = std::min<Clock::duration>(wait * 2, longest_wait);
    }
}

} // namespace tunnel
