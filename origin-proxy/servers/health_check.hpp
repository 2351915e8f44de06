// One look at an origin server.
#pragma once

#include <string>

#include "common/base/asio.hpp"
#include "common/base/code.hpp"
#include "origin-proxy/options/service_options.hpp"
#include "origin-proxy/servers/origin_server.hpp"

namespace tunnel {

enum class Finding : std::uint8_t {
    healthy,
    unhealthy,
    unknown, // this machine lacked something that the check needs
};

struct Looked {
    Finding finding = Finding::unknown;
    Reason why{}; // it is unhealthy
};

// Connects to the server of `service`, whose health_check is not off, and asks what that says, all
// within its timeout. `server` is for checks alone, with that timeout. Does not throw but for a
// cancellation; both must outlive it.
awaitable<Looked> look_at(const OriginService& service, OriginServer& server);

// What is sent for an HTTP check. `path` begins with a slash, as the options have it.
std::string http_request(const ServerAddress& server, const std::string& path);

} // namespace tunnel
