#include "remote-proxy/origin_link.hpp"

#include <utility>

#include <fmt/format.h>

#include "common/net/socket.hpp"

namespace tunnel {

OriginLink::OriginLink(tcp::socket socket, ControlConnection::Heartbeats heartbeats, OriginId id)
    : connection(std::move(socket), heartbeats), origin(id), address(to_string(connection.peer()))
{
}

void OriginLink::announce(const Ticket& ticket, const Visitor& visitor)
{
    const Announce frame{ticket, visitor.address, std::string(default_service)};
    connection.post(frame);
}

std::optional<Reject> objection(const LogIn& log_in)
{
    if (!common_version(log_in.lowest_version, log_in.highest_version))
        return Reject{RejectReason::version,
                      fmt::format("this remote proxy ({}) speaks versions {} to {} of the "
                                  "protocol, your origin proxy ({}) speaks {} to {}: upgrade the "
                                  "older of the two",
                                  TUNNEL_VERSION, lowest_version, highest_version,
                                  log_in.program_version, log_in.lowest_version,
                                  log_in.highest_version)};
    if (log_in.service != default_service)
        return Reject{RejectReason::service,
                      fmt::format("there is no service \"{}\" here, only \"{}\"", log_in.service,
                                  default_service)};
    return std::nullopt;
}

} // namespace tunnel
