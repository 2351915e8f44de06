#include "remote-proxy/fronts/hello_pool.hpp"

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
        place->look_at = Clock::now() + patience;
        later_.push_back(place);
        return;
    }
    if (more > 0)
        return watch(place, more);
    by_address_.erase(place->slot);
    waiting_.erase(place);
}

void HelloPool::look_again(Clock::time_point now)
{
    for (std::size_t left = later_.size(); left > 0 && *later_.front()->look_at <= now; --left) {
        const auto place = later_.front();
        later_.pop_front();
        place->look_at.reset();
        look(place);
    }
}

std::optional<Clock::time_point> HelloPool::next_look() const
{
    return later_.empty() ? std::nullopt : later_.front()->look_at;
}

Newcomer HelloPool::take(std::list<Waiting>::iterator place)
{
    watch_.leave(place->wait, place->newcomer.socket.get());
    if (place->look_at)
        std::erase(later_, place);
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
