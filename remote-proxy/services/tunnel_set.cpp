#include "remote-proxy/services/tunnel_set.hpp"

#include <algorithm>
#include <cerrno>
#include <utility>

#include <fmt/format.h>

#include "common/base/error.hpp"
#include "common/base/log.hpp"
#include "common/transport/socket.hpp"
#include "remote-proxy/options/client_identifier.hpp"

namespace tunnel {

namespace {

Address address_of(const PublicTunnel& tunnel)
{
    return {tunnel.listen_address.to_string(), tunnel.listen_port};
}

} // namespace

void cannot_listen(const std::system_error& error, SteeringError::Rest rest)
{
    std::string why = error.what();
    if (rest == SteeringError::Rest::done)
        why += "; what was at an address that overlaps is closed, and all others of the list hold";
    if (error.code() == asio::error::address_in_use)
        throw SteeringError(409, why, rest);
    if (error.code().value() == EACCES)
        throw SteeringError(403,
                            why + ": start the remote proxy with the right to such ports "
                                  "(CAP_NET_BIND_SERVICE), or lower "
                                  "net.ipv4.ip_unprivileged_port_start",
                            rest);
    if (error.code().value() == EADDRNOTAVAIL) // which asio has no name for
        throw SteeringError(400, why, rest);
    throw SteeringError(500, why, rest);
}

TunnelSet::TunnelSet(Uses uses)
    : options_(uses.options),
      state_(uses.state),
      capacity_(uses.capacity),
      links_(uses.links),
      services_(uses.services),
      tallies_(uses.tallies)
{
}

PublicServices::Wanted TunnelSet::service_of(const PublicTunnel& tunnel) const
{
    RemoteService service{tunnel.key(), address_of(tunnel)};
    service.rules = options_.rules;
    service.origins = {tunnel.client};
    service.offered_as = tunnel.service;
    service.wants_header = tunnel.proxy_protocol;
    if (tunnel.has_host())
        service.names = {ServiceKind::tls, {tunnel.hostname_glob}};
    return {std::move(service), tunnel};
}

// What can be said before anything is tried. Throws SteeringError.
void TunnelSet::must_fit(const std::vector<PublicTunnel>& wanted) const
{
    const ServiceList& present = services_.registry().services();
    const std::vector<PublicTunnel>& known = services_.saved().tunnels;
    for (const PublicTunnel& each : wanted) {
        for (const auto& [name, service] : present) {
            if (!service->tunnel && service->has_address() &&
                overlap(service->where, each.endpoint()))
                throw SteeringError(
                    409, fmt::format("{} is the address of the service \"{}\", which {}; that can "
                                     "be drained, but not be given another meaning here",
                                     each.key(), name,
                                     service->owner ? "an origin proxy has opened"
                                                    : "the options name"));
        }
        if (services_.is_shared_address(each.endpoint()))
            throw SteeringError(409, fmt::format("{} is an address that services with names share: "
                                                 "give the tunnels another",
                                                 each.key()));
        if (std::ranges::find(known, each) != known.end())
            continue; // its origin proxy may be away
        const std::vector<OriginLink*> links = links_.named(each.client);
        if (links.empty())
            throw SteeringError(
                404,
                fmt::format("the client \"{}\" is {}", log::escape(each.client),
                            links_.clients().contains(std::string(client_identifier(each.client)))
                                ? "not connected"
                                : "not known"));
        if (std::ranges::none_of(links, &OriginLink::offers_services))
            throw SteeringError(
                409, fmt::format("the client \"{}\" has no service with a name: start it with "
                                 "--service NAME=ADDRESS",
                                 log::escape(each.client)));
        if (each.proxy_protocol && std::ranges::none_of(links, &OriginLink::sends_headers))
            throw SteeringError(501, fmt::format("the client \"{}\" is too old to send a header of "
                                                 "the PROXY protocol because it is asked for one "
                                                 "here: give its own service --proxy-protocol",
                                                 log::escape(each.client)));
    }
    const auto staying =
        static_cast<std::size_t>(std::ranges::count_if(present, [](const auto& entry) {
            return !entry.second->tunnel && entry.second->has_address();
        }));
    if (!wanted.empty() && staying + wanted.size() > capacity_.services())
        throw SteeringError(507, "there are too few descriptors for so many: raise the remote "
                                 "proxy's limit of them");
}

void TunnelSet::set(const std::vector<PublicTunnel>& wanted)
{
    if (!state_.takes_changes())
        throw SteeringError(503, "shutting down");
    must_fit(wanted);
    std::vector<PublicServices::Wanted> services;
    for (const PublicTunnel& each : wanted)
        services.push_back(service_of(each));
    std::vector<PublicServices::Missing> missing;
    try {
        missing = services_.replace(ServiceSource::management, std::move(services));
    } catch (const std::system_error& error) {
        cannot_listen(error);
    }
    services_.consider_offers();
    if (!missing.empty())
        cannot_listen(missing.back().error, SteeringError::Rest::done);
}

// Of those that are wanted.
void TunnelSet::open_missing()
{
    if (!state_.takes_changes()) // the address may be a successor's
        return;
    const ServiceList& present = services_.registry().services();
    const std::vector<PublicTunnel> wanted = services_.saved().tunnels;
    for (const PublicTunnel& each : wanted) {
        if (present.find(each.key()))
            continue;
        const auto there = present.at(each.endpoint());
        const auto other = std::ranges::find(there, ServiceSource::options,
                                             [](const auto& it) { return it->source(); });
        if (other != there.end()) {
            log::warn("a tunnel gives way to a service of the options",
                      {{"outside", each.key()}, {"service", (*other)->options.name}});
            services_.saved().forget(each);
            continue;
        }
        if (present.with_address() >= capacity_.services()) {
            tallies_.count(tallies_.missing_tunnels, each.key(), "there are too few descriptors");
            break;
        }
        try {
            services_.add(service_of(each));
        } catch (const std::system_error& error) {
            tallies_.count(tallies_.missing_tunnels, each.key(), error.what());
        }
    }
    services_.consider_offers();
}

void TunnelSet::restore(SavedState state)
{
    services_.restore(std::move(state));
    open_missing();
}

void TunnelSet::open_missing_again(Clock::time_point now)
{
    if (now < opens_again_)
        return;
    opens_again_ = now + options_.common.heartbeat_interval;
    open_missing();
}

} // namespace tunnel
