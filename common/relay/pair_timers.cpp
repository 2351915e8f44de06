#include "common/relay/pair_timers.hpp"

#include <algorithm>
#include <utility>

#include <linux/sockios.h>
#include <sys/ioctl.h>

#include "common/transport/socket.hpp"

using namespace std::chrono_literals;

namespace tunnel {

namespace {

// How often a filter hears that nothing comes.
constexpr auto filter_looks_after = 1s;

// A pair that lives for so long may live long.
constexpr auto keep_alive_after = 250ms;

// What was written to the socket and its peer has not acknowledged, tcp(7).
int unacknowledged_bytes(const Channel& channel)
{
    int bytes = 0;
    ::ioctl(channel.descriptor(), SIOCOUTQ, &bytes);
    return bytes;
}

} // namespace

void PairTimers::set(Pair& pair, Time now)
{
    const bool awaits = pair.forth.awaits_start();
    const auto limit = awaits               ? options_.start_timeout
                       : pair.half_closed() ? options_.half_close_timeout
                                            : options_.idle_timeout;
    auto due = (awaits ? pair.began : pair.last_byte) + limit;
    if (limit.count() == 0)
        due = Time::max();
    if (awaits && now < pair.began + options_.start_patience)
        due = std::min(due, pair.began + options_.start_patience);
    if (pair.lacks_keep_alive)
        due = std::min(due, pair.began + keep_alive_after);
    if (pair.filter && !awaits)
        due = std::min(due, now + filter_looks_after);
    put(pair, due);
}

// Most often it is there already: most pairs end before any limit.
void PairTimers::put(Pair& pair, Time due)
{
    if (due == Time::max())
        timers_.remove(pair);
    else if (!timers_.contains(pair) || timers_.due(pair) != due)
        timers_.put(pair, due);
}

// Bytes that the receiver takes out of the kernel's buffers count as well: those hold megabytes,
// for which a slow reader may need longer than the limit.
std::optional<End> PairTimers::examine(Pair& pair, Time now)
{
    if (pair.lacks_keep_alive && now >= pair.began + keep_alive_after) {
        keep_alive(pair.first.descriptor());
        pair.lacks_keep_alive = false;
        set(pair, now);
        return std::nullopt;
    }
    if (pair.forth.awaits_start())
        return examine_start(pair, now);
    if (pair.filter && pair.back.is_flushed()) {
        pair.filter->on_silence(
            std::chrono::duration_cast<std::chrono::milliseconds>(now - pair.last_byte));
        if (pair.filter->is_done())
            return End::handed_back;
    }
    const int unacknowledged = std::exchange(
        pair.unacknowledged, unacknowledged_bytes(pair.first) + unacknowledged_bytes(pair.second));
    const bool drains = pair.unacknowledged > 0 && pair.unacknowledged != unacknowledged;
    if (drains || pair.is_throttled())
        pair.last_byte = now;
    set(pair, now);
    // It was perhaps only due for a filter, which has gone.
    if (!timers_.contains(pair) || timers_.due(pair) > now)
        return std::nullopt;
    return pair.half_closed() ? End::half_close_timeout : End::idle_timeout;
}

std::optional<End> PairTimers::examine_start(Pair& pair, Time now)
{
    const auto limit = options_.start_timeout;
    if (limit.count() > 0 && now >= pair.began + limit)
        return End::start_timeout;
    if (unacknowledged_bytes(pair.second) > 0)
        return End::not_started;
    set(pair, now);
    return std::nullopt;
}

void PairTimers::await_turn(Pair& pair, Time due)
{
    if (!turns_.contains(pair) || due < turns_.due(pair))
        turns_.put(pair, due);
}

Pair& PairTimers::take_turn()
{
    Pair& pair = turns_.first();
    turns_.remove(pair);
    return pair;
}

void PairTimers::forget(Pair& pair)
{
    timers_.remove(pair);
    turns_.remove(pair);
}

PairTimers::Time PairTimers::next() const
{
    auto next = Time::max();
    for (const PairQueue* const queue : {&timers_, &turns_}) {
        if (!queue->empty())
            next = std::min(next, queue->first_due());
    }
    return next;
}

} // namespace tunnel
