#include "remote-proxy/origin_link.hpp"

#include <functional>
#include <utility>

#include <fmt/format.h>

#include "common/net/socket.hpp"

namespace tunnel {

OriginLink::OriginLink(tcp::socket socket, Tls tls, ControlConnection::Heartbeats heartbeats,
                       OriginId id, Identity who)
    : connection(std::move(socket), heartbeats, std::move(tls)),
      origin(id),
      identity(std::move(who)),
      address(to_string(connection.peer()))
{
}

void OriginLink::announce(const Ticket& ticket, const Visitor& visitor)
{
    const Announce frame{ticket, visitor.address, std::string(default_service)};
    connection.post(frame);
}

std::uint64_t group_of(std::string_view name)
{
    return std::hash<std::string_view>()(name);
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
