// The origin server's side of a visitor.
#pragma once

#include "common/base/fd.hpp"
#include "common/protocol/frame.hpp"
#include "common/transport/channel.hpp"
#include "origin-proxy/options/service_rules.hpp"

namespace tunnel {

// The connected socket, prepared for the relay but for keep_alive(), and the header of the PROXY
// protocol sent on it, if one is wanted. Of any thread. Throws std::system_error when the server
// does not take the header.
Channel server_channel(Fd socket, bool is_unix, ProxyProtocol header, const Announce& announce);

} // namespace tunnel
