#include "remote-proxy/origins/origin_link.hpp"

#include <algorithm>
#include <atomic>
#include <functional>
#include <utility>

#include <fmt/format.h>

#include "common/options/key_names.hpp"
#include "common/transport/socket.hpp"

namespace tunnel {

namespace {

std::uint64_t next_number()
{
    static std::atomic<std::uint64_t> latest = 0;
    return ++latest;
}

} // namespace

OriginLink::OriginLink(AsyncChannel channel, ControlConnection::Heartbeats heartbeats, OriginId id,
                       Identity who, IdleRoom idle_room, std::size_t twin)
    : connection(std::move(channel), heartbeats),
      number(next_number()),
      origin(id),
      identity(std::move(who)),
      name(std::make_shared<const OriginName>(identity.name, identity.is_only, identity.own_name,
                                              twin)),
      carrier(std::make_shared<Carrier>(Carrier{number, identity.name, identity.credential, origin,
                                                group_of(identity, origin), name})),
      parked(std::move(idle_room)),
      address(to_string(connection.peer())),
      log_peer(identity.is_anybody() ? connection.peer().address().to_string() : identity.name)
{
}

// A secret stands for somebody else under another name.
std::uint64_t group_of(const Identity& identity, const OriginId& origin)
{
    std::string all = identity.name + '\0';
    if (identity.credential)
        all.append(identity.credential->begin(), identity.credential->end());
    all.append(origin.bytes.begin(), origin.bytes.end());
    return std::hash<std::string>()(all);
}

log::Field log_name(const OriginLink& link)
{
    log::Field field("name", link.name->shown());
    field.peer = link.log_peer;
    return field;
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
    if (!log_in.name.empty() && !is_plain_name(log_in.name))
        return Reject{RejectReason::name,
                      fmt::format("\"{}\" cannot be the name of an origin proxy, {}: give it "
                                  "another --name",
                                  log_in.name.substr(0, longest_name), plain_name_syntax)};
    return std::nullopt;
}

bool offers_services(const LogIn& log_in)
{
    return std::ranges::find(log_in.features, feature::services) != log_in.features.end();
}

} // namespace tunnel
