// Who the visitor is, whose connection a load balancer passes on.
#pragma once

#include <optional>

#include "common/base/asio.hpp"
#include "common/base/fd.hpp"
#include "common/transport/proxy_header.hpp"

namespace tunnel {

// Takes the header of the PROXY protocol off the socket, and not one byte more; nullopt if the
// header tells no addresses, so that the connection's own ones count. `socket` is a stream; it is
// the caller's again when this ends, also by a failure or a cancellation, but none while this
// waits. It must outlive this.
//
// Throws std::system_error: no_proxy_header or malformed_proxy_header as soon as that shows,
// closed_by_peer if the stream ended within the header, asio::error::eof if it ended before, as a
// health check's may, timed_out at the deadline, or what the socket says. The connection is of no
// use then: a part of the header may have been taken.
awaitable<std::optional<ProxyAddresses>> read_proxy_header(Fd& socket, Clock::time_point deadline);

} // namespace tunnel
