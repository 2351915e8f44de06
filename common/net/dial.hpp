// Outbound connections.
#pragma once

#include <vector>

#include "common/asio.hpp"

namespace tunnel {

// The order in which RFC 8305, section 4, tries addresses: the families in turn, beginning with the
// family of the first, each family in the order given.
std::vector<tcp::endpoint> interleave(const std::vector<tcp::endpoint>& endpoints);

// Connects to one of `endpoints`, given in order of preference: the next attempt starts when the
// one before has failed or has not answered for 250 ms, and the first to succeed wins (RFC 8305,
// section 5). Throws std::system_error when all have failed, with the failure of the first, or
// timed_out when none succeeded within `limit`. prepare_stream is for the caller to do.
awaitable<tcp::socket> dial(std::vector<tcp::endpoint> endpoints, Clock::duration limit);

} // namespace tunnel
