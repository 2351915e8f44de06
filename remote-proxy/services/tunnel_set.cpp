#include "remote-proxy/services/tunnel_set.hpp"

#include <algorithm>
#include <cerrno>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "common/base/error.hpp"
#include "common/base/log.hpp"
#include "common/transport/socket.hpp"
#include "remote-proxy/options/client_identifier.hpp"
#include "remote-proxy/registry/service_plan.hpp"
#include "remote-proxy/services/present_services.hpp"

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
      saved_(uses.saved),
      capacity_(uses.capacity),
      links_(uses.links),
      table_(uses.table),
      services_(table_.all()),
      offers_(uses.offers),
      tallies_(uses.tallies)
{
}

RemoteService TunnelSet::options_of(const PublicTunnel& tunnel) const
{
    RemoteService service{tunnel.key(), address_of(tunnel)};
    service.rules = options_.rules;
    service.origins = {tunnel.client};
    service.offered_as = tunnel.service;
    service.wants_header = tunnel.proxy_protocol;
    return service;
}

// What can be said before anything is tried. Throws SteeringError.
void TunnelSet::must_fit(const std::vector<PublicTunnel>& wanted) const
{
    for (const PublicTunnel& each : wanted) {
        for (const auto& [name, service] : services_) {
            if (!service->tunnel && overlap(service->outside.endpoint(), each.endpoint()))
                throw SteeringError(
                    409, fmt::format("{} is the address of the service \"{}\", which {}; that can "
                                     "be drained, but not be given another meaning here",
                                     each.key(), name,
                                     service->owner ? "an origin proxy has opened"
                                                    : "the options name"));
        }
        if (std::ranges::find(saved_.tunnels, each) != saved_.tunnels.end())
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
    const auto staying = static_cast<std::size_t>(
        std::ranges::count_if(services_, [](const auto& entry) { return !entry.second->tunnel; }));
    if (!wanted.empty() && staying + wanted.size() > capacity_.services())
        throw SteeringError(507, "there are too few descriptors for so many: raise the remote "
                                 "proxy's limit of them");
}

void TunnelSet::set(const std::vector<PublicTunnel>& wanted)
{
    if (state_.stopping)
        throw SteeringError(503, "shutting down");
    must_fit(wanted);
    std::vector<WantedService> services;
    for (const PublicTunnel& each : wanted)
        services.push_back({each.key(), address_of(each), each.endpoint()});
    const ServicePlan plan =
        plan_services(present_services(services_), ServiceSource::management, services);
    std::vector<std::pair<PublicTunnel, Listener>> coming;
    try {
        for (const std::size_t i : plan.at_once)
            coming.emplace_back(wanted[i], table_.listen(services[i].address));
    } catch (const std::system_error& error) {
        cannot_listen(error);
    }
    saved_.set_tunnels(wanted);
    ServiceOffers::Postponing postponing(offers_);
    for (const ServicePlan::Closing& each : plan.closing)
        offers_.retire(table_.find(each.name), each.why);
    for (auto& [tunnel, listener] : coming)
        open_tunnel(tunnel, std::move(listener));
    for (const std::size_t i : plan.staying) {
        const ServicePointer service = table_.find(services[i].name);
        if (*service->tunnel != wanted[i])
            change_tunnel(service, wanted[i]);
    }
    std::optional<std::system_error> failure;
    for (const std::size_t i : plan.afterwards) {
        try {
            open_tunnel(wanted[i], table_.listen(services[i].address));
        } catch (const std::system_error& error) {
            failure = error;
            forget(wanted[i]);
        }
    }
    postponing.finish();
    if (failure)
        cannot_listen(*failure, SteeringError::Rest::done);
}

void TunnelSet::open_tunnel(const PublicTunnel& tunnel, Listener listener)
{
    const auto service = table_.add(options_of(tunnel), std::move(listener), nullptr);
    service->tunnel = tunnel;
    log::info("tunnel opened",
              {{"outside", tunnel.key()}, {"service", tunnel.service}, {"name", tunnel.client}});
    offers_.consider_all(tunnel.client, tunnel.service);
}

// The address stays open, and whoever has come and was not told of to anybody yet is served as it
// says now.
void TunnelSet::change_tunnel(const ServicePointer& service, const PublicTunnel& wanted)
{
    const std::string former = service->options.offer();
    service->tunnel = wanted;
    service->change(options_of(wanted));
    log::info("tunnel changed",
              {{"outside", wanted.key()}, {"service", wanted.service}, {"name", wanted.client}});
    std::vector<OriginLink*> links;
    for (const PublicService::Server& server : service->servers)
        links.push_back(server.link);
    for (OriginLink* const link : links) {
        if (link->name->answers_to(wanted.client) && former == wanted.service)
            continue;
        offers_.detach(*service, *link);
        if (link->offers.contains(former))
            offers_.consider(*link, former);
    }
    offers_.consider_all(wanted.client, wanted.service);
}

// Of those that are wanted.
void TunnelSet::open_missing()
{
    for (const PublicTunnel& each : saved_.tunnels) {
        if (services_.contains(each.key()))
            continue;
        if (services_.size() >= capacity_.services()) {
            tallies_.count(tallies_.missing_tunnels, each.key(), "there are too few descriptors");
            return;
        }
        try {
            open_tunnel(each, table_.listen(address_of(each)));
        } catch (const std::system_error& error) {
            tallies_.count(tallies_.missing_tunnels, each.key(), error.what());
        }
    }
}

void TunnelSet::restore(SavedState state)
{
    saved_ = std::move(state);
    for (const auto& [name, service] : services_) {
        service->drained = saved_.drained_services.contains(service->lasting_name());
        const std::vector<PublicTunnel> all = saved_.tunnels;
        for (const PublicTunnel& each : all) {
            if (!overlap(each.endpoint(), service->outside.endpoint()))
                continue;
            log::warn("a tunnel gives way to a service of the options",
                      {{"outside", each.key()}, {"service", name}});
            forget(each);
        }
    }
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
