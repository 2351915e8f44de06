// The data connections that wait for a visitor.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "common/base/asio.hpp"
#include "common/transport/channel.hpp"

namespace tunnel {

// Room for the idle connections of all origin proxies together. Each has room for one in any
// case.
class IdleRoom {
public:
    explicit IdleRoom(std::size_t capacity)
        : capacity_(capacity), taken_(std::make_shared<std::size_t>(0))
    {
    }

    bool full() const { return *taken_ >= capacity_; }

    // How many there are.
    std::size_t taken() const { return *taken_; }

private:
    friend class IdlePool;

    std::size_t capacity_;
    std::shared_ptr<std::size_t> taken_;
};

// Those that ended their last stream come back; the youngest is taken first, so that the origin
// proxy can tell by their age how many are too many. Nobody listens to them here: one that is dead
// shows when it is taken, or swept.
class IdlePool {
public:
    explicit IdlePool(IdleRoom room) : room_(std::move(room)) {}

    IdlePool(const IdlePool&) = delete;
    IdlePool& operator=(const IdlePool&) = delete;

    ~IdlePool() { clear(); }

    std::size_t size() const { return connections_.size(); }

    // Between two streams in frames. If there is no room it is closed, and if its peer has sent
    // more than the end of the last: it owes silence.
    void put(Channel connection);

    // One that seems alive.
    std::optional<Channel> take();

    // Closes those that the peer has closed. Looks at each: not to be called as often as the peer
    // likes.
    void sweep() { sweep(connections_.size()); }

    // One that was taken at `time` was dead. The others that were here then had been silent for
    // longer, so what killed it, such as a router that forgets the silent, has not spared them:
    // closes them. Without this each would cost a visitor the time until it shows.
    void drop_older(Clock::time_point time);

    void clear();

private:
    struct Entry {
        Channel connection;
        Clock::time_point since;
    };

    // Looks at so many only, and at the next ones the next time.
    void sweep(std::size_t most);

    template <class Condition>
    void erase_if(Condition condition);

    IdleRoom room_;
    std::vector<Entry> connections_; // by the time they came
    std::size_t swept_ = 0;          // those before it have been looked at in this round
};

} // namespace tunnel
