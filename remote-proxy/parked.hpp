// The data connections that wait for a visitor.
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "common/asio.hpp"
#include "common/relay/relay.hpp"

namespace tunnel {

// Those that ended their last stream come back; the youngest is taken first, so that the origin
// proxy can tell by their age how many are too many. Nobody listens to them here: one that is dead
// shows when it is taken, or swept.
class ParkedConnections {
public:
    explicit ParkedConnections(std::size_t capacity) : capacity_(capacity) {}

    std::size_t size() const { return connections_.size(); }

    // Prepared by prepare_stream(). Beyond the capacity it is closed.
    void put(Framed connection);

    // One that seems alive.
    std::optional<Framed> take();

    // Closes those that the peer has closed.
    void sweep();

    // One that was taken at `time` was dead. The others that were here then had been silent for
    // longer, so what killed it, such as a router that forgets the silent, has not spared them:
    // closes them. Without this each would cost a visitor the time until it shows.
    void drop_older(Clock::time_point time);

    void clear() { connections_.clear(); }

private:
    struct Entry {
        Framed connection;
        Clock::time_point since;
    };

    std::size_t capacity_;
    std::vector<Entry> connections_; // by the time they came
};

} // namespace tunnel
