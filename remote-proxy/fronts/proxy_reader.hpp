// Reads the PROXY header that a load balancer sends before a visitor's stream.
#pragma once

#include <optional>

#include "common/base/asio.hpp"
#include "common/base/fd.hpp"
#include "common/transport/proxy_header.hpp"

namespace tunnel {

// Takes the PROXY header off the socket, and not one byte more; nullopt if the header has no
// addresses, so that the connection's own ones count. `socket` is a stream and must outlive this.
// It is empty while this waits, and the caller's again at the end, also after a failure or a
// cancellation.
//
// Throws std::system_error: no_proxy_header or malformed_proxy_header as soon as that is clear,
// closed_by_peer if the stream ends within the header, asio::error::eof if it ends before it, as in
// a health check, timed_out at the deadline, or the socket's error. The connection is useless then:
// a part of the header may have been taken.
awaitable<std::optional<ProxyAddresses>> read_proxy_header(Fd& socket, Clock::time_point deadline);

} // namespace tunnel
