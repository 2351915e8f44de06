// Decides whether a hello may be answered, before the answer is computed.
#pragma once

#include "common/base/asio.hpp"

namespace tunnel {

// The accepting end of a handshake asks it about each complete ClientHello, before computing
// anything.
class HelloGate {
public:
    // What the hello says of pre-shared keys.
    struct Offer {
        bool any_key = false;   // it offers some
        bool known_key = false; // and one of them is known here
    };

    HelloGate() = default;
    HelloGate(const HelloGate&) = delete;
    HelloGate& operator=(const HelloGate&) = delete;
    virtual ~HelloGate() = default;

    // Returns when the hello may be answered. False: it is refused, with an alert. May throw
    // std::system_error to end the handshake without one.
    virtual awaitable<bool> admit(Offer offer) = 0;

    // How long computing the answer took, after each admit() that returned true.
    virtual void answered(Clock::duration took) = 0;
};

} // namespace tunnel
