// Options and endings of connected TCP sockets.
#pragma once

#include <cstddef>
#include <string>

#include "common/base/asio.hpp"
#include "common/base/fd.hpp"

namespace tunnel {

// SO_OOBINLINE: an urgent byte (MSG_OOB) is a byte of the stream like any other. To be set before
// the first byte can come, since the kernel drops some that come earlier.
void keep_urgent_bytes(int descriptor);

// TCP_NODELAY: small writes leave at once.
void send_without_delay(int descriptor);

// A peer that is gone without a word is noticed after about a minute (SO_KEEPALIVE).
void keep_alive(int descriptor);

// All three. What a listener accepts has the options of the listener. Those that a socket does not
// take (a Unix socket in a test) are skipped.
void set_stream_options(int descriptor);

// A close() resets, also the one that the kernel does for a killed process: a cut stream must never
// look like a whole one.
void reset_on_close(int descriptor);

// Both: for a socket whose stream ends with it.
void prepare_stream(int descriptor);

// From here on close() lets the kernel deliver what was written and then the EOF: for a stream that
// came to its end both ways.
void allow_clean_close(int descriptor);

// The peer sees a reset ("connection reset by peer"), never an end of the stream.
void reset(Fd& socket);
void reset(tcp::socket& socket);

// Takes the socket away from asio, for the relay. Throws std::system_error.
Fd release(tcp::socket socket);

// About how many bytes the socket takes at once; the kernel counts its own overhead in. 0: not
// known.
std::size_t room_in(int descriptor);

// "192.0.2.1:80" or "[2001:db8::1]:80"; an IPv4 address that came in over a dual-stack socket is
// written as what it is.
std::string to_string(const tcp::endpoint& endpoint);

// The peer's endpoint, "unknown" once the connection is gone.
std::string peer_of(const tcp::socket& socket);

} // namespace tunnel
