#include "remote-proxy/origin_link.hpp"

#include <algorithm>
#include <atomic>
#include <functional>
#include <utility>

#include <fmt/format.h>

#include "common/net/socket.hpp"
#include "remote-proxy/tunnels.hpp"

namespace tunnel {

namespace {

std::uint64_t next_number()
{
    static std::atomic<std::uint64_t> latest = 0;
    return ++latest;
}

} // namespace

OriginLink::OriginLink(tcp::socket socket, Tls tls, ControlConnection::Heartbeats heartbeats,
                       OriginId id, Identity who, ParkingSpace parking_space)
    : connection(std::move(socket), heartbeats, std::move(tls)),
      number(next_number()),
      origin(id),
      identity(std::move(who)),
      name(std::make_shared<const std::string>(identity.name.empty() ? std::string(nameless_client)
                                                                     : identity.name)),
      parked(std::move(parking_space)),
      visitors(std::make_shared<std::size_t>(0)),
      address(to_string(connection.peer()))
{
}

void OriginLink::announce(const Ticket& ticket, const Visitor& visitor,
                          const RemoteService& service)
{
    connection.post(announcement(ticket, visitor, service));
}

Announce announcement(const Ticket& ticket, const Visitor& visitor, const RemoteService& service)
{
    return {ticket, visitor.address, service.offer(), visitor.outside, service.wants_header};
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
    return std::nullopt;
}

bool offers_services(const LogIn& log_in)
{
    return std::ranges::find(log_in.features, feature::services) != log_in.features.end();
}

} // namespace tunnel
