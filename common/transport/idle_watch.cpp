#include "common/transport/idle_watch.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <system_error>
#include <utility>

#include <sys/epoll.h>

namespace tunnel {

namespace {

// A visitor begins with each, which takes tens of microseconds.
constexpr std::size_t most_at_once = 8;

} // namespace

IdleWatch::IdleWatch() : epoll_(::epoll_create1(EPOLL_CLOEXEC))
{
    if (!epoll_.is_open())
        throw std::system_error(errno, std::system_category(), "epoll_create1");
}

IdleWatch::Wait IdleWatch::await(int descriptor, std::function<void()> on_readable)
{
    return begin(descriptor, std::move(on_readable), true);
}

IdleWatch::Wait IdleWatch::await_new(int descriptor, std::function<void()> on_readable)
{
    return begin(descriptor, std::move(on_readable), false);
}

// EPOLLONESHOT: what it was told of, it keeps silent about until it is asked anew.
IdleWatch::Wait IdleWatch::begin(int descriptor, std::function<void()> on_readable, bool is_known)
{
    epoll_event event{};
    event.events = EPOLLIN | EPOLLRDHUP | EPOLLONESHOT;
    event.data.u64 = ++latest_;
    const auto wait = waits_.emplace(latest_, std::move(on_readable)).first;
    int result = is_known ? ::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, descriptor, &event) : -1;
    if (!is_known || (result != 0 && errno == ENOENT))
        result = ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, descriptor, &event);
    if (result != 0) {
        const int error = errno;
        waits_.erase(wait);
        throw std::system_error(error, std::system_category(), "epoll_ctl");
    }
    return latest_;
}

void IdleWatch::leave(Wait wait, int descriptor)
{
    forget(wait);
    ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, descriptor, nullptr);
}

// An event may be of a wait that a callback before it has forgotten.
int IdleWatch::work()
{
    std::array<epoll_event, most_at_once> events;
    const int count = ::epoll_wait(epoll_.get(), events.data(), most_at_once, 0);
    for (int i = 0; i < count; ++i) {
        if (auto ready = waits_.extract(events[static_cast<std::size_t>(i)].data.u64))
            ready.mapped()();
    }
    return std::max(count, 0);
}

} // namespace tunnel
