#include "common/relay/worker.hpp"

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <system_error>
#include <utility>

#include <sched.h>
#include <sys/epoll.h>

using namespace std::chrono_literals;

namespace tunnel {

namespace {

constexpr std::size_t shared_buffer_size = encrypted_piece;

// What all pairs together may move before the worker looks again who has become ready; what moves
// little and takes long counts as more (Direction::work()). A pair that moves all it can at once
// costs a quarter less CPU for each byte than pairs that take turns megabyte by megabyte; but small
// pieces of others must not wait for it, so beside such it may not.
constexpr std::size_t round_budget = 128 * plain_piece;
constexpr std::size_t budget_beside_small = 8 * plain_piece;

// However little the bytes come to (frames or records without any, ends, thousands of pairs at
// once), the worker looks again after so long, and with it a control plane that lends its thread.
constexpr auto round_time = 10ms;

// A pair that waits for its turn may move this much in any case.
constexpr std::size_t least_turn = 4 * plain_piece;

// Less than this at once is a message rather than a part of a bulk stream.
constexpr std::uint64_t small = 16 * 1024;

// After one others are expected for so long: whoever sends them may have to wait for a core.
constexpr auto messages_expected = 10ms;

} // namespace

Relay::Worker::Worker(const RelayOptions& options, std::atomic<std::size_t>& live, unsigned number,
                      bool own_thread)
    : options_(options),
      own_thread_(own_thread),
      live_(live),
      epoll_(::epoll_create1(EPOLL_CLOEXEC)),
      pipes_(options.pipes),
      shared_(shared_buffer_size),
      timers_(options_),
      watch_("relay-" + std::to_string(number))
{
    if (!epoll_.is_open())
        throw std::system_error(errno, std::system_category(), "epoll_create1");
    tell_of(mailbox_.descriptor(), wake_up_tag);
    tell_of(wake_timer_.descriptor(), timer_tag);
    if (own_thread)
        thread_ = std::thread([this] { run(); });
}

Relay::Worker::~Worker()
{
    stop();
}

// Of what is not a pair's.
void Relay::Worker::tell_of(int descriptor, std::uint64_t tag)
{
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u64 = tag;
    if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, descriptor, &event) != 0)
        throw std::system_error(errno, std::system_category(), "epoll_ctl");
}

void Relay::Worker::watch_also(int descriptor, std::function<void()> on_readable)
{
    others_.push_back({std::move(on_readable)});
    tell_of(descriptor, first_other_tag + others_.size() - 1);
}

void Relay::Worker::hand_over(std::unique_ptr<Pair> pair)
{
    ++load_;
    pair->began = Pair::Clock::now();
    pair->last_byte = pair->began;
    if (own_thread_ ? !mailbox_.put(pair) : mailbox_.is_stopped()) {
        close_and_report(*pair, End::stopped);
    } else if (!own_thread_) {
        now_ = pair->began;
        round_end_ = now_ + round_time;
        adopt(std::move(pair));
    }
}

void Relay::Worker::end_group(std::uint64_t group)
{
    end_from_anywhere([group](const Pair& pair) { return pair.group == group; });
}

void Relay::Worker::end_unwanted()
{
    end_from_anywhere([](const Pair& pair) { return pair.view != nullptr && pair.view->unwanted; });
}

void Relay::Worker::end_from_anywhere(Which which)
{
    if (own_thread_) {
        mailbox_.end(std::move(which));
        return;
    }
    end_those(which);
    graveyard_.clear();
}

void Relay::Worker::end_those(const Which& which)
{
    // What has been looked at is not moved by an end: the last takes the place of the one that
    // ends.
    for (std::size_t i = pairs_.size(); i-- > 0;) {
        if (which(*pairs_[i]))
            end(*pairs_[i], End::cut_off);
    }
}

void Relay::Worker::stop()
{
    mailbox_.stop();
    if (thread_.joinable())
        thread_.join();
    end_all();
}

void Relay::Worker::run()
{
    Events events;
    do {
        const auto count = static_cast<std::size_t>(std::max(0, wait_for_events(events)));
        work(std::span(events).first(count));
        adopt_arrived();
    } while (!mailbox_.has_news() || !take_news());
}

bool Relay::Worker::turns()
{
    const bool had_a_turn = !asked_.exchange(true);
    mailbox_.wake();
    return had_a_turn;
}

bool Relay::Worker::poll()
{
    Events events;
    const auto count = static_cast<std::size_t>(std::max(0, look(events, 0)));
    if (count == 0 && queue_.empty() && !timers_.is_due(now_) && !start_due() &&
        !timers_.is_turn_due(now_)) {
        graveyard_.clear(); // what has ended while it was handed over
        return false;
    }
    work(std::span(events).first(count));
    for (Other& other : others_) {
        if (std::exchange(other.is_ready, false))
            other.on_readable(); // it may hand over pairs, which is not for the middle of a round
    }
    return true;
}

bool Relay::Worker::may_sleep()
{
    round_end_ = Pair::Clock::now() + round_time;
    while (!starting_.empty() && !round_is_over())
        start_next();
    // One that comes due too early, for a pair that has ended, does no harm.
    wake_timer_.arm(timers_.next());
    return queue_.empty() && starting_.empty();
}

int Relay::Worker::look(Events& events, int limit)
{
    // Sleeping is no part of a round; else the time that is needed anyhow will do for its end.
    if (limit != 0)
        end_round(Pair::Clock::now());
    const int count =
        ::epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()), limit);
    const auto now = Pair::Clock::now();
    if (asked_.load(std::memory_order_relaxed))
        asked_ = false;
    end_round(now);
    watch_.woke(now);
    now_ = now;
    if (count > 0)
        last_event_ = now_;
    return count;
}

int Relay::Worker::wait_for_events(Events& events)
{
    if (!queue_.empty() || !arrived_.empty())
        return look(events, 0);
    // Yielding lets the sender of the next piece run, which may share this core; without it
    // spinning would be what delays it.
    while (now_ - last_event_ < options_.spin) {
        if (const int count = look(events, 0);
            count != 0 || mailbox_.has_news() || start_due() || timers_.is_turn_due(now_))
            return count;
        ::sched_yield();
    }
    if (!may_sleep())
        return 0;
    mailbox_.falls_asleep();
    const int count = look(events, mailbox_.has_news() ? 0 : -1);
    mailbox_.is_awake();
    return count;
}

// A lent thread is watched by who lends it.
void Relay::Worker::end_round(Pair::Clock::time_point now)
{
    if (std::exchange(round_is_open_, false))
        watch_.note(now_, now);
}

void Relay::Worker::work(std::span<const epoll_event> events)
{
    round_is_open_ = own_thread_;
    round_left_ = now_ - last_small_ < messages_expected ? budget_beside_small : round_budget;
    round_end_ = now_ + round_time;
    for (const epoll_event& event : events)
        on_event(event);
    round_left_ = std::max(round_left_, least_turn);
    // Here and below one has its turn in any case.
    for (std::size_t waiting = queue_.size(); waiting > 0 && round_left_ > 0; --waiting) {
        Pair& next = *queue_.front();
        queue_.pop_front();
        next.queued = false;
        progress(next);
        if (round_is_over())
            break;
    }
    while (start_due()) {
        start_next();
        if (round_is_over())
            break;
    }
    take_turns();
    expire_timers();
    graveyard_.clear();
}

// Nothing came for it to go with.
void Relay::Worker::start_next()
{
    Pair& pair = *starting_.front();
    starting_.pop_front();
    pair.starting = false;
    pair.forth.hurry();
    progress(pair);
}

void Relay::Worker::on_event(const epoll_event& event)
{
    if (event.data.u64 == wake_up_tag) {
        mailbox_.woken();
        asked_ = false; // it may have been asked for this very wake-up since look()
    } else if (event.data.u64 == timer_tag) {
        wake_timer_.rest();
    } else if (event.data.u64 < first_other_tag + others_.size()) {
        others_[event.data.u64 - first_other_tag].is_ready = true;
    } else {
        on_pair_event(event.data.u64, event.events);
    }
}

void Relay::Worker::end_all()
{
    end_arrived([](const Pair&) { return true; }, End::stopped);
    while (!pairs_.empty())
        end(*pairs_.back(), End::stopped);
    graveyard_.clear();
}

// Whether to end.
bool Relay::Worker::take_news()
{
    Mailbox::News news = mailbox_.take();
    last_event_ = now_;
    std::ranges::move(news.arrived, std::back_inserter(arrived_));
    for (const Which& which : news.to_end) {
        end_arrived(which, End::cut_off);
        end_those(which);
    }
    graveyard_.clear();
    return news.stop;
}

// As many as a round has time for, one in any case.
void Relay::Worker::adopt_arrived()
{
    round_end_ = Pair::Clock::now() + round_time;
    while (!arrived_.empty()) {
        auto pair = std::move(arrived_.front());
        arrived_.pop_front();
        adopt(std::move(pair));
        if (round_is_over())
            break;
    }
    graveyard_.clear();
}

void Relay::Worker::end_arrived(const Which& which, End how)
{
    for (auto each = arrived_.begin(); each != arrived_.end();) {
        if (!which(**each)) {
            ++each;
            continue;
        }
        close_and_report(**each, how);
        each = arrived_.erase(each);
    }
}

void Relay::Worker::adopt(std::unique_ptr<Pair> owned)
{
    Pair& pair = *owned;
    pair.place = static_cast<std::uint32_t>(pairs_.size());
    pairs_.push_back(std::move(owned));
    if (pair.opener && !open(pair))
        return;
    if (pair.first_is_unix) // where a read also stops short at descriptors that were passed
        pair.forth.read_until_told();
    const auto tag = reinterpret_cast<std::uintptr_t>(&pair);
    if (!watch(pair.first.descriptor(), tag)) {
        end(pair, End::first_failed);
    } else if (!watch(pair.second.descriptor(), tag | second_bit)) {
        end(pair, pair.second_failed());
    } else {
        timers_.set(pair, now_);
        progress(pair);
        if (!pair.ended && pair.forth.waits_for_piece()) {
            pair.starting = true;
            starting_.push_back(&pair);
        }
    }
}

// Whether there is a first channel now.
bool Relay::Worker::open(Pair& pair)
{
    pair.first = pair.opener->open();
    const bool is_open = pair.first.is_open();
    if (is_open)
        pair.opener.reset();
    else
        end(pair, End::not_opened);
    return is_open;
}

bool Relay::Worker::watch(int descriptor, std::uintptr_t tag)
{
    epoll_event event{};
    event.events = EPOLLIN | EPOLLPRI | EPOLLOUT | EPOLLRDHUP | EPOLLET;
    event.data.u64 = tag;
    return ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, descriptor, &event) == 0;
}

void Relay::Worker::on_pair_event(std::uint64_t data, std::uint32_t events)
{
    const bool is_second = (data & second_bit) != 0;
    Pair& pair = *reinterpret_cast<Pair*>(data & ~second_bit);
    if (pair.ended)
        return;
    // A reset is passed on even while the other side is too slow to let us read up to it.
    if (events & EPOLLERR) {
        end(pair, is_second ? pair.second_failed() : End::first_failed);
        return;
    }
    const Channel& it = is_second ? pair.second : pair.first;
    Direction& from_it = is_second ? pair.back : pair.forth;
    Direction& to_it = is_second ? pair.forth : pair.back;
    if (events & EPOLLPRI)
        from_it.saw_urgent_data();
    if (events & (EPOLLRDHUP | EPOLLHUP)) {
        from_it.read_until_told();
        pair.second_hung_up = pair.second_hung_up || is_second;
    }
    if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLPRI))
        from_it.can_read();
    if (events & (EPOLLOUT | EPOLLHUP)) {
        to_it.can_write();
        if (it.is_encrypted()) // it may have had to say something before it read on
            from_it.can_read();
    }
    if (pair.queued)
        return;
    if (round_is_over())
        enqueue(pair);
    else
        progress(pair);
}

void Relay::Worker::enqueue(Pair& pair)
{
    if (std::exchange(pair.queued, true))
        return;
    queue_.push_back(&pair);
}

void Relay::Worker::progress(Pair& pair)
{
    const std::uint64_t before = pair.forth.bytes() + pair.back.bytes();
    const bool was_half_closed = pair.half_closed();
    // What came with an announcement goes to the origin server before its peer is told of the
    // start.
    if (!pump(pair, pair.back))
        return;
    if (pair.forth.awaits_start() && pair.back.heard_start()) {
        if (pair.forth.has_sent_nothing()) { // nobody can start what was not announced
            end(pair, End::second_failed);
            return;
        }
        pair.forth.start();
        pair.begin();
        pair.last_byte = now_; // however long the start took
        timers_.set(pair, now_);
    }
    if (!pump(pair, pair.forth))
        return;
    if (pair.is_handed_back()) {
        end(pair, End::handed_back);
        return;
    }
    if (pair.forth.finished() && pair.back.finished()) {
        end(pair, End::finished);
        return;
    }
    if (pair.is_cut()) {
        end(pair, pair.second_failed());
        return;
    }
    if (pair.forth.bytes() + pair.back.bytes() != before) {
        pair.last_byte = now_;
        pair.show();
    }
    if (pair.half_closed())
        no_longer_load(pair);
    if (pair.half_closed() != was_half_closed && !pair.forth.awaits_start()) {
        pair.last_byte = now_; // however long it was silent before
        timers_.set(pair, now_);
    }
}

// Whether the pair lives on.
bool Relay::Worker::pump(Pair& pair, Direction& direction)
{
    const bool forth = &direction == &pair.forth;
    Channel& from = forth ? pair.first : pair.second;
    Channel& to = forth ? pair.second : pair.first;
    const std::uint64_t before = direction.bytes();
    const std::uint64_t work_before = direction.work();
    const bool closes_next = (forth ? pair.back : pair.forth).finished();
    const Progress progress = direction.pump(
        from, to,
        {shared_, pipes_, now_, closes_next, round_end_, forth ? &pair.guard : nullptr,
         FilterUse(pair.filter, forth ? FilterUse::Side::forth : FilterUse::Side::back, filtered_)},
        std::max(round_left_, plain_piece));
    const std::uint64_t moved = direction.bytes() - before;
    const std::uint64_t work = direction.work() - work_before;
    round_left_ -= std::min<std::uint64_t>(round_left_, std::max(moved, work));
    if (moved > 0 && moved < small)
        last_small_ = now_;
    switch (progress) {
    case Progress::from_failed:
        end(pair, forth ? End::first_failed : pair.second_failed());
        return false;
    case Progress::to_failed:
        end(pair, forth ? pair.second_failed() : End::first_failed);
        return false;
    case Progress::refused:
        end(pair, End::refused);
        return false;
    case Progress::forbidden:
        end(pair, End::forbidden);
        return false;
    case Progress::more:
        enqueue(pair);
        return true;
    case Progress::throttled:
        timers_.await_turn(pair, direction.turn_due(now_));
        return true;
    case Progress::waiting:
    case Progress::finished:
        return true;
    }
    return true;
}

// Whoever has had a turn waits for one that comes later.
void Relay::Worker::take_turns()
{
    bool any = false;
    while (timers_.is_turn_due(now_) && !(std::exchange(any, true) && round_is_over())) {
        Pair& pair = timers_.take_turn();
        if (!pair.queued)
            progress(pair);
    }
}

void Relay::Worker::expire_timers()
{
    bool any = false;
    while (timers_.is_due(now_) && !(std::exchange(any, true) && round_is_over())) {
        Pair& pair = timers_.first_due();
        if (const auto how = timers_.examine(pair, now_))
            end(pair, *how);
    }
}

void Relay::Worker::end(Pair& pair, End how)
{
    if (pair.outlives(how)) {
        if (!pair.back.is_flushed()) // the end of an answer: it is handed back afterwards
            return;
        how = End::handed_back;
    }
    pair.ended = true;
    timers_.forget(pair);
    if (pair.queued)
        std::erase(queue_, &pair);
    if (pair.starting)
        std::erase(starting_, &pair);
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
    Flow flow = pair.close(how);
    for (const Channel* const kept : {&flow.first, &flow.second}) {
        if (kept->is_open())
            ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, kept->descriptor(), nullptr);
    }
    no_longer_load(pair);
    --live_;
    pair.done(flow);
}

void Relay::Worker::no_longer_load(Pair& pair)
{
    if (std::exchange(pair.is_load, false))
        --load_;
}

} // namespace tunnel
