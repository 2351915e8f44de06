#include "remote-proxy/origins/idle_pool.hpp"

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <utility>

#include <sys/socket.h>

namespace tunnel {

namespace {

// Hardly any dies so early, and the visitor of one that does is announced again.
constexpr auto young = std::chrono::seconds(1);

// For one that comes, where there is no room. Each takes a system call.
constexpr std::size_t most_swept = 16;

// Open, with nothing to read: its peer owes it silence.
bool seems_alive(const Channel& connection)
{
    char byte = 0;
    const ssize_t size =
        ::recv(connection.descriptor(), &byte, sizeof byte, MSG_PEEK | MSG_DONTWAIT);
    return size < 0 && errno == EAGAIN && !connection.has_read_ahead();
}

} // namespace

void IdlePool::put(Channel connection)
{
    if (connection.has_pending()) // a start before the next announcement would be believed
        return;
    const auto has_room = [this] { return connections_.empty() || !room_.full(); };
    if (!has_room())
        sweep(most_swept);
    if (!has_room())
        return;
    connections_.push_back({std::move(connection), Clock::now()});
    ++*room_.taken_;
}

std::optional<Channel> IdlePool::take()
{
    while (!connections_.empty()) {
        Entry youngest = std::move(connections_.back());
        connections_.pop_back();
        --*room_.taken_;
        if (Clock::now() - youngest.since < young || seems_alive(youngest.connection))
            return std::move(youngest.connection);
    }
    return std::nullopt;
}

template <class Condition>
void IdlePool::erase_if(Condition condition)
{
    *room_.taken_ -= std::erase_if(connections_, std::move(condition));
}

void IdlePool::sweep(std::size_t most)
{
    const auto at = [this](std::size_t index) {
        return connections_.begin() + static_cast<std::ptrdiff_t>(index);
    };
    const std::size_t begin = swept_ < connections_.size() ? swept_ : 0;
    const std::size_t end = std::min(connections_.size(), begin + most);
    const auto dead = std::remove_if(
        at(begin), at(end), [](const Entry& each) { return !seems_alive(each.connection); });
    swept_ = static_cast<std::size_t>(dead - connections_.begin());
    *room_.taken_ -= end - swept_;
    connections_.erase(dead, at(end));
}

void IdlePool::drop_older(Clock::time_point time)
{
    erase_if([&](const Entry& each) { return each.since <= time; });
}

void IdlePool::clear()
{
    erase_if([](const Entry&) { return true; });
}

} // namespace tunnel
