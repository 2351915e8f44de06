// How a pair of channels ends.
#pragma once

#include <cstdint>

namespace tunnel {

// How a pair came to its end.
enum class End : std::uint8_t {
    finished,           // both sides said they had no more to send, and all of it was passed on
    first_failed,       // the first socket was reset, or timed out
    second_failed,      // the second was
    half_close_timeout, // one side had finished, and the other way stayed silent too long
    idle_timeout,       // no side had finished, and no byte moved for too long
    stopped,            // the relay was stopped
    cut_off,            // its group was ended
    refused,            // the peer of a framed socket said why it would not take the stream on
    not_started,        // a framed socket broke before its peer had taken the stream on
    start_timeout,      // its peer said nothing about it in time
    forbidden,          // the first socket's stream began as it must not
    not_opened,         // there is no first channel; nothing was done with the second
    handed_back,        // a filter wants to have the channels for something else
};

} // namespace tunnel
