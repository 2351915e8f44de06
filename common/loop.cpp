#include "common/loop.hpp"

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
    if (relay_.may_sleep())
        io_.run_one();
}

bool Loop::do_what_is_ready()
{
    bool any = relay_.poll();
    // Not all at once: new connections may come as fast as they are dealt with.
    const auto enough = Clock::now() + time_of_control;
    for (int i = 0; i < turns_of_control && io_.poll_one() > 0; ++i) {
        any = true;
        if (Clock::now() > enough)
            break;
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
