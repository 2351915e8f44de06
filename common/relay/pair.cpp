#include "common/relay/pair.hpp"

#include <algorithm>
#include <cerrno>

#include <sys/socket.h>

namespace tunnel {

Progress Direction::pump(int from, int to, std::span<std::byte> shared, std::size_t budget)
{
    std::size_t moved = 0;
    while (!finished_) {
        if (held_.bytes) {
            if (!writable_)
                return Progress::waiting;
            if (const Progress flushed = flush_held(to); flushed != Progress::more)
                return flushed;
        }
        if (saw_end_) {
            if (::shutdown(to, SHUT_WR) != 0)
                return Progress::to_failed;
            finished_ = true;
            break;
        }
        if (!readable_)
            return Progress::waiting;
        if (moved >= budget)
            return Progress::more;
        const ssize_t size = ::recv(from, shared.data(), shared.size(), 0);
        if (size < 0) {
            if (errno == EINTR)
                continue;
            if (errno != EAGAIN)
                return Progress::from_failed;
            readable_ = false;
            return Progress::waiting;
        }
        if (size == 0) {
            saw_end_ = true;
            continue;
        }
        std::span<const std::byte> rest = shared.first(static_cast<std::size_t>(size));
        // What does not fill the buffer was all there was, epoll(7); another recv would only
        // answer EAGAIN.
        if (rest.size() < shared.size() && !short_read_says_nothing_)
            readable_ = false;
        moved += rest.size();
        if (write(to, rest) == Progress::to_failed)
            return Progress::to_failed;
        if (!rest.empty())
            hold(rest);
    }
    return Progress::finished;
}

Progress Direction::write(int to, std::span<const std::byte>& bytes)
{
    while (!bytes.empty()) {
        const ssize_t size = ::send(to, bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (size < 0) {
            if (errno == EINTR)
                continue;
            if (errno != EAGAIN)
                return Progress::to_failed;
            writable_ = false;
            return Progress::waiting;
        }
        bytes_ += static_cast<std::uint64_t>(size);
        bytes = bytes.subspan(static_cast<std::size_t>(size));
    }
    return Progress::more;
}

Progress Direction::flush_held(int to)
{
    std::span<const std::byte> rest(held_.bytes.get() + held_.begin, held_.end - held_.begin);
    const Progress progress = write(to, rest);
    held_.begin = held_.end - static_cast<std::uint32_t>(rest.size());
    if (progress == Progress::more)
        held_ = Held();
    return progress;
}

void Direction::hold(std::span<const std::byte> rest)
{
    held_.bytes = std::make_unique_for_overwrite<std::byte[]>(rest.size());
    held_.begin = 0;
    held_.end = static_cast<std::uint32_t>(rest.size());
    std::ranges::copy(rest, held_.bytes.get());
}

} // namespace tunnel
