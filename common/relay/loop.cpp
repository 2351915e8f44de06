#include "common/relay/loop.hpp"

#include <utility>

#include <sched.h>

namespace tunnel {

namespace {

// Of the control plane, before the relay has one again.
constexpr int turns_of_control = 64;
constexpr auto time_of_control = std::chrono::microseconds(300); // a handshake takes as long

} // namespace

Loop::Loop(asio::io_context& io, Relay& relay, std::chrono::microseconds spin)
    : io_(io), relay_(relay), spin_(spin), relay_events_(io, relay.descriptor())
{
}

Loop::~Loop()
{
    relay_events_.release();
}

void Loop::run_some()
{
    if (do_what_is_ready())
        return;
    for (const auto began = Clock::now(); Clock::now() - began < spin_;) {
        ::sched_yield();
        if (do_what_is_ready())
            return;
    }
    watch_relay();
    if (!relay_.may_sleep())
        return;
    const auto began = Clock::now();
    io_.run_one();
    turns_.note_with_sleep(began, Clock::now());
}

AllTurns Loop::take_longest_turns()
{
    AllTurns all = relay_.take_longest_turns();
    all.insert(all.begin(), turns_.take());
    return all;
}

bool Loop::do_what_is_ready()
{
    const auto began = Clock::now();
    turns_.woke(began); // by the core, if not by news
    bool any = relay_.poll();
    auto now = Clock::now();
    if (any)
        turns_.note(began, now);
    // Not all at once: new connections may come as fast as they are dealt with.
    const auto enough = now + time_of_control;
    for (int i = 0; i < turns_of_control && now <= enough && io_.poll_one() > 0; ++i) {
        any = true;
        const auto turn_began = std::exchange(now, Clock::now());
        turns_.note(turn_began, now);
    }
    return any;
}

// Only to be woken: while awake, asking the relay itself costs less than being told.
void Loop::watch_relay()
{
    if (watching_)
        return;
    watching_ = true;
    relay_events_.async_wait(asio::posix::stream_descriptor::wait_read,
                             [this](std::error_code error) {
                                 if (!error)
                                     watching_ = false;
                             });
}

} // namespace tunnel
