#include "remote-proxy/parked.hpp"

#include <cerrno>
#include <utility>

#include <sys/socket.h>

namespace tunnel {

namespace {

// Hardly any dies so early, and the visitor of one that does is announced again.
constexpr auto young = std::chrono::seconds(1);

// Open, with nothing to read: its peer owes it silence.
bool seems_alive(const Framed& connection)
{
    char byte = 0;
    const ssize_t size =
        ::recv(connection.socket.get(), &byte, sizeof byte, MSG_PEEK | MSG_DONTWAIT);
    return size < 0 && errno == EAGAIN && connection.received.empty();
}

} // namespace

void ParkedConnections::put(Framed connection)
{
    if (connections_.size() >= capacity_)
        sweep();
    if (connections_.size() < capacity_)
        connections_.push_back({std::move(connection), Clock::now()});
}

std::optional<Framed> ParkedConnections::take()
{
    while (!connections_.empty()) {
        Entry youngest = std::move(connections_.back());
        connections_.pop_back();
        if (Clock::now() - youngest.since < young || seems_alive(youngest.connection))
            return std::move(youngest.connection);
    }
    return std::nullopt;
}

void ParkedConnections::sweep()
{
    std::erase_if(connections_, [](const Entry& each) { return !seems_alive(each.connection); });
}

void ParkedConnections::drop_older(Clock::time_point time)
{
    std::erase_if(connections_, [&](const Entry& each) { return each.since <= time; });
}

} // namespace tunnel
