#include "common/relay/worker.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <linux/sockios.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "common/net/socket.hpp"

namespace tunnel {

namespace {

constexpr std::size_t shared_buffer_size = 64 * 1024;

// What one pair may move per turn and direction before the others get theirs.
constexpr std::size_t budget = 16 * shared_buffer_size;

constexpr std::size_t events_per_round = 256;

Fd checked(int descriptor, const char* what)
{
    if (descriptor < 0)
        throw std::system_error(errno, std::system_category(), what);
    return Fd(descriptor);
}

// What was written to both sockets and their peers have not acknowledged, tcp(7).
int unacknowledged_bytes(const Pair& pair)
{
    int first = 0;
    int second = 0;
    ::ioctl(pair.first.get(), SIOCOUTQ, &first);
    ::ioctl(pair.second.get(), SIOCOUTQ, &second);
    return first + second;
}

void set_non_blocking(int descriptor)
{
    ::fcntl(descriptor, F_SETFL, ::fcntl(descriptor, F_GETFL) | O_NONBLOCK);
}

} // namespace

Relay::Worker::Worker(const RelayOptions& options, std::atomic<std::size_t>& live)
    : options_(options),
      live_(live),
      epoll_(checked(::epoll_create1(EPOLL_CLOEXEC), "epoll_create1")),
      wake_up_(checked(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), "eventfd")),
      shared_(shared_buffer_size)
{
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u64 = 0;
    if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, wake_up_.get(), &event) != 0)
        throw std::system_error(errno, std::system_category(), "epoll_ctl");
    thread_ = std::thread([this] { run(); });
}

Relay::Worker::~Worker()
{
    stop();
}

void Relay::Worker::hand_over(Fd first, Fd second, Done done)
{
    auto pair = std::make_unique<Pair>();
    pair->first = std::move(first);
    pair->second = std::move(second);
    pair->done = std::move(done);
    pair->began = Pair::Clock::now();
    pair->last_byte = pair->began;
    std::unique_lock lock(mutex_);
    if (stopping_) {
        lock.unlock();
        close_and_report(*pair, End::stopped);
        return;
    }
    inbox_.push_back(std::move(pair));
    const bool asleep = inbox_.size() == 1; // else it has been woken already
    lock.unlock();
    if (asleep)
        wake();
}

void Relay::Worker::stop()
{
    {
        const std::lock_guard lock(mutex_);
        stopping_ = true;
    }
    wake();
    if (thread_.joinable())
        thread_.join();
}

void Relay::Worker::wake()
{
    const std::uint64_t one = 1;
    [[maybe_unused]] const auto written = ::write(wake_up_.get(), &one, sizeof one);
}

void Relay::Worker::run()
{
    std::array<epoll_event, events_per_round> events;
    for (;;) {
        const int count = ::epoll_wait(epoll_.get(), events.data(), events.size(),
                                       queue_.empty() ? until_next_timer() : 0);
        now_ = Pair::Clock::now();
        bool woken = false;
        for (int i = 0; i < count; ++i) {
            const epoll_event& event = events[static_cast<std::size_t>(i)];
            if (event.data.u64 == 0)
                woken = true;
            else
                on_event(event.data.u64, event.events);
        }
        for (Pair* const pair : std::exchange(queue_, {})) {
            pair->queued = false;
            if (!pair->ended)
                progress(*pair);
        }
        expire_timers();
        graveyard_.clear();
        if (woken) {
            take_inbox();
            const std::lock_guard lock(mutex_);
            if (stopping_ && inbox_.empty())
                break;
        }
    }
    while (!pairs_.empty())
        end(*pairs_.back(), End::stopped);
    graveyard_.clear();
}

void Relay::Worker::take_inbox()
{
    std::uint64_t ignored = 0;
    [[maybe_unused]] const auto size = ::read(wake_up_.get(), &ignored, sizeof ignored);
    std::vector<std::unique_ptr<Pair>> arrived;
    {
        const std::lock_guard lock(mutex_);
        arrived.swap(inbox_);
    }
    for (auto& pair : arrived)
        adopt(std::move(pair));
}

void Relay::Worker::adopt(std::unique_ptr<Pair> owned)
{
    Pair& pair = *owned;
    pair.place = pairs_.size();
    pairs_.push_back(std::move(owned));
    const auto tag = reinterpret_cast<std::uintptr_t>(&pair);
    if (!watch(pair.first.get(), tag)) {
        end(pair, End::first_failed);
    } else if (!watch(pair.second.get(), tag | second_bit)) {
        end(pair, End::second_failed);
    } else {
        set_timer(pair);
        progress(pair);
    }
}

bool Relay::Worker::watch(int descriptor, std::uintptr_t tag)
{
    set_non_blocking(descriptor);
    epoll_event event{};
    event.events = EPOLLIN | EPOLLPRI | EPOLLOUT | EPOLLRDHUP | EPOLLET;
    event.data.u64 = tag;
    return ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, descriptor, &event) == 0;
}

void Relay::Worker::on_event(std::uint64_t data, std::uint32_t events)
{
    const bool is_second = (data & second_bit) != 0;
    Pair& pair = *reinterpret_cast<Pair*>(data & ~second_bit);
    if (pair.ended)
        return;
    // A reset is passed on even while the other side is too slow to let us read up to it.
    if (events & EPOLLERR) {
        end(pair, is_second ? End::second_failed : End::first_failed);
        return;
    }
    Direction& from_it = is_second ? pair.back : pair.forth;
    Direction& to_it = is_second ? pair.forth : pair.back;
    if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLPRI))
        from_it.read_until_told();
    if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLPRI))
        from_it.can_read();
    if (events & (EPOLLOUT | EPOLLHUP))
        to_it.can_write();
    progress(pair);
}

void Relay::Worker::progress(Pair& pair)
{
    const std::uint64_t before = pair.forth.bytes() + pair.back.bytes();
    const bool was_half_closed = pair.half_closed();
    if (!pump(pair, pair.forth) || !pump(pair, pair.back))
        return;
    if (pair.forth.finished() && pair.back.finished()) {
        end(pair, End::finished);
        return;
    }
    if (pair.forth.bytes() + pair.back.bytes() != before)
        pair.last_byte = now_;
    if (pair.half_closed() != was_half_closed) {
        pair.last_byte = now_; // however long it was silent before
        set_timer(pair);
    }
}

// Whether the pair lives on.
bool Relay::Worker::pump(Pair& pair, Direction& direction)
{
    const bool forth = &direction == &pair.forth;
    const int from = forth ? pair.first.get() : pair.second.get();
    const int to = forth ? pair.second.get() : pair.first.get();
    switch (direction.pump(from, to, shared_, budget)) {
    case Progress::from_failed:
        end(pair, forth ? End::first_failed : End::second_failed);
        return false;
    case Progress::to_failed:
        end(pair, forth ? End::second_failed : End::first_failed);
        return false;
    case Progress::more:
        if (!pair.queued) {
            pair.queued = true;
            queue_.push_back(&pair);
        }
        return true;
    case Progress::waiting:
    case Progress::finished:
        return true;
    }
    return true;
}

// Puts the pair under the limit that holds for its state, counted from its last byte.
void Relay::Worker::set_timer(Pair& pair)
{
    if (pair.timed)
        timers_.erase(pair.timer);
    const auto limit = pair.half_closed() ? options_.half_close_timeout : options_.idle_timeout;
    pair.timed = limit.count() > 0;
    if (pair.timed)
        pair.timer = timers_.emplace(pair.last_byte + limit, &pair);
}

// Bytes do not touch the timers, they only note their time: a timer that comes due is set anew if
// there were any since. Bytes that the receiver takes out of the kernel's buffers count as well:
// those hold megabytes, for which a slow reader may need longer than the limit.
void Relay::Worker::expire_timers()
{
    while (!timers_.empty() && timers_.begin()->first <= now_) {
        Pair& pair = *timers_.begin()->second;
        const int unacknowledged = std::exchange(pair.unacknowledged, unacknowledged_bytes(pair));
        if (pair.unacknowledged > 0 && pair.unacknowledged != unacknowledged)
            pair.last_byte = now_;
        set_timer(pair);
        if (pair.timer->first <= now_)
            end(pair, pair.half_closed() ? End::half_close_timeout : End::idle_timeout);
    }
}

int Relay::Worker::until_next_timer() const
{
    if (timers_.empty())
        return -1;
    const auto wait =
        std::chrono::ceil<std::chrono::milliseconds>(timers_.begin()->first - Pair::Clock::now());
    // An hour at most, so that the value fits epoll_wait's int.
    return static_cast<int>(std::clamp<std::int64_t>(wait.count(), 0, 3'600'000));
}

void Relay::Worker::end(Pair& pair, End how)
{
    pair.ended = true;
    if (pair.timed)
        timers_.erase(pair.timer);
    if (pair.queued)
        std::erase(queue_, &pair);
    graveyard_.push_back(std::move(pairs_[pair.place]));
    if (pair.place + 1 < pairs_.size()) {
        pairs_[pair.place] = std::move(pairs_.back());
        pairs_[pair.place]->place = pair.place;
    }
    pairs_.pop_back();
    close_and_report(pair, how);
}

void Relay::Worker::close_and_report(Pair& pair, End how)
{
    if (how == End::finished) {
        allow_clean_close(pair.first.get());
        allow_clean_close(pair.second.get());
    } // otherwise they are prepared to reset
    pair.first.close();
    pair.second.close();
    --live_;
    pair.done({pair.forth.bytes(), pair.back.bytes(), how, Pair::Clock::now() - pair.began});
}

} // namespace tunnel
