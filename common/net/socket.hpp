// Options and endings of connected TCP sockets.
#pragma once

#include "common/asio.hpp"
#include "common/net/fd.hpp"

namespace tunnel {

// For each of a visitor's four sockets: small writes leave at once (TCP_NODELAY), a peer that is
// gone without a word is noticed after about a minute (keep-alive), and a close() resets, also the
// one that the kernel does for a killed process: a cut stream must never look like a whole one.
// Options that the socket does not take (a Unix socket in a test) are skipped.
void prepare_stream(int descriptor);

// From here on close() lets the kernel deliver what was written and then the EOF: for a stream that
// came to its end both ways.
void allow_clean_close(int descriptor);

// The peer sees a reset ("connection reset by peer"), never an end of the stream.
void reset(Fd& socket);
void reset(tcp::socket& socket);

// Takes the socket away from asio, for the relay. Throws std::system_error.
Fd release(tcp::socket socket);

// "192.0.2.1:80" or "[2001:db8::1]:80"; an IPv4 address that came in over a dual-stack socket is
// written as what it is.
std::string to_string(const tcp::endpoint& endpoint);

// The peer's endpoint, "unknown" once the connection is gone.
std::string peer_of(const tcp::socket& socket);

} // namespace tunnel
