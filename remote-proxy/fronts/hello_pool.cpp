#include "remote-proxy/fronts/hello_pool.hpp"

#include <algorithm>
#include <utility>

#include <sys/socket.h>

#include "common/transport/socket.hpp"

namespace tunnel {

namespace {

// What is only peeked at would keep a socket readable. So it is told to be readable when there is
// more than was seen.
void be_readable_from(const Fd& socket, std::size_t bytes)
{
    const int least = static_cast<int>(bytes);
    ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVLOWAT, &least, sizeof least);
}

} // namespace

void HelloPool::wait(Newcomer newcomer, std::size_t bytes, std::size_t most)
{
    if (waiting_.size() >= most) {
        if (Waiting* const oldest = by_address_.first_to_go())
            hooks_.pushed_out(take(oldest->place));
    }
    const auto place = waiting_.insert(waiting_.end(), Waiting{std::move(newcomer)});
    place->place = place;
    place->slot = by_address_.insert(place->newcomer.peer.address(), *place);
    watch(place, bytes);
}

// As many as are accepted in a turn.
void HelloPool::work()
{
    constexpr int rounds = 8;
    for (int i = 0; i < rounds && watch_.work() > 0; ++i) {
    }
}

void HelloPool::watch(std::list<Waiting>::iterator place, std::size_t bytes)
{
    const Fd& socket = place->newcomer.socket;
    place->bytes = bytes;
    be_readable_from(socket, bytes);
    try {
        place->wait = watch_.await(socket.get(), [this, place] { look(place); });
    } catch (const std::system_error&) { // no memory for it
        hooks_.pushed_out(take(place));
    }
}

void HelloPool::look(std::list<Waiting>::iterator place)
{
    Newcomer& newcomer = place->newcomer;
    watch_.leave(place->wait, newcomer.socket.get());
    be_readable_from(newcomer.socket, 1);
    const std::size_t waited_for = place->bytes;
    const std::size_t more = hooks_.on_more(newcomer, waited_for);
    if (more > 0 && more == waited_for) { // watching it would call back at once
        constexpr unsigned most_doublings = 8;
        const unsigned doublings = std::min(place->early_looks++, most_doublings);
        place->look_at = Clock::now() + patience * (1 << doublings);
        later_.emplace(*place->look_at, place);
        return;
    }
    place->early_looks = 0;
    if (more > 0)
        return watch(place, more);
    by_address_.erase(place->slot);
    waiting_.erase(place);
}

void HelloPool::look_again(Clock::time_point now)
{
    constexpr int looks_per_turn = 64;
    for (int i = 0; i < looks_per_turn && !later_.empty() && later_.begin()->first <= now; ++i) {
        const auto place = later_.extract(later_.begin()).mapped();
        place->look_at.reset();
        look(place);
    }
}

std::optional<Clock::time_point> HelloPool::next_look() const
{
    return later_.empty() ? std::nullopt : std::optional(later_.begin()->first);
}

Newcomer HelloPool::take(std::list<Waiting>::iterator place)
{
    watch_.leave(place->wait, place->newcomer.socket.get());
    if (place->look_at)
        std::erase_if(later_, [place](const auto& each) { return each.second == place; });
    by_address_.erase(place->slot);
    Newcomer taken = std::move(place->newcomer);
    waiting_.erase(place);
    return taken;
}

std::optional<Clock::time_point> HelloPool::oldest() const
{
    return waiting_.empty() ? std::nullopt : std::optional(waiting_.front().newcomer.since);
}

std::optional<Newcomer> HelloPool::expire(Clock::time_point before)
{
    if (waiting_.empty() || waiting_.front().newcomer.since > before)
        return std::nullopt;
    return take(waiting_.begin());
}

void HelloPool::clear()
{
    while (!waiting_.empty()) {
        Newcomer newcomer = take(waiting_.begin());
        reset(newcomer.socket);
    }
}

} // namespace tunnel
