// The control plane's thread, which lends the relay what time it does not need.
#pragma once

#include <chrono>

#include "common/base/asio.hpp"
#include "common/base/turn_watch.hpp"
#include "common/relay/relay.hpp"

namespace tunnel {

// Runs an io_context and a relay with a lent thread side by side. Both must outlive it, and the
// io_context must not run after it.
class Loop {
public:
    // `spin`: like the relay's own threads it looks for so long before it sleeps, since waking up
    // takes longer than most of what it then does.
    Loop(asio::io_context& io, Relay& relay, std::chrono::microseconds spin);
    ~Loop();

    // Does what is ready, and waits for something if nothing is.
    void run_some();

    // The longest turns of this thread and those of the relay since the last call: one handler of
    // the io_context, or one round of the relay.
    AllTurns take_longest_turns();

    // Whether the relay's other threads have had a turn since the last call.
    bool others_turn() { return relay_.threads_turn(); }

private:
    bool do_what_is_ready();
    void watch_relay();

    asio::io_context& io_;
    Relay& relay_;
    const std::chrono::microseconds spin_;
    asio::posix::stream_descriptor relay_events_; // the relay's
    bool watching_ = false;
    TurnWatch turns_{"control"};
};

} // namespace tunnel
