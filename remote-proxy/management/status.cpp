#include "remote-proxy/management/status.hpp"

#include <algorithm>
#include <array>

#include "common/transport/socket.hpp"
#include "remote-proxy/remote_proxy.hpp"

namespace tunnel {

namespace {

// By the values of Refusal.
constexpr std::array<std::string_view, refusal_kinds> refusal_names{
    "denied", "not_allowed", "too_many", "too_many_per_ip", "too_many_new_per_ip"};

} // namespace

std::string_view RemoteStatus::state_of(const Service& service)
{
    if (service.drained)
        return "drained";
    if (!service.is_open)
        return "closed";
    return service.absence.empty() ? "open" : "waiting";
}

RemoteStatus RemoteProxy::status() const
{
    const RemoteCounts& counts = visitors_.counts();
    RemoteStatus status;
    status.stopping = state_.stopping;
    const ServiceList& services = services_.registry().services();
    const bool any_required = std::ranges::any_of(
        services, [](const auto& entry) { return entry.second->options.required; });
    std::map<const OriginLink*, std::vector<std::string>> services_of_link;
    for (const auto& [name, registered] : services) {
        const ServicePointer service = services_.find(*registered);
        const bool expected = any_required ? service->options.required
                                           : registered->source() == ServiceSource::options;
        RemoteStatus::Service& its = status.services.emplace_back(RemoteStatus::Service{
            name, service->limits.present(), service->servers.size(), expected, service->counts});
        its.outside = to_string(service->outside.endpoint());
        its.from = registered->source();
        its.drained = registered->drained;
        its.is_open = service->outside.is_open();
        its.absence = registered->absence;
        for (const PublicService::Server& server : service->servers) {
            its.served_by.push_back(server.link->name->shown());
            services_of_link[server.link].push_back(name);
        }
    }
    for (const OriginLink* const link : links_) {
        RemoteStatus::Origin& its = status.origins.emplace_back(
            RemoteStatus::Origin{link->name->shown(), link->connection.round_trip()});
        its.credential = link->name->credential();
        its.identity = link->name->identity();
        its.address = link->address;
        its.version = link->version;
        its.encrypted = link->encrypted;
        its.drained = link->drained;
        its.age = Clock::now() - link->since;
        its.visitors = link->carrier->visitors;
        its.parked = link->parked.size();
        its.services = std::move(services_of_link[link]);
    }
    for (std::size_t i = 0; i < refusal_kinds; ++i)
        status.visitors_refused.push_back({refusal_names[i], tallies_.refusals[i].total()});
    status.visitors_refused.insert(status.visitors_refused.end(),
                                   {{"no_room", tallies_.overflow.total()},
                                    {"no_proxy_header", tallies_.headless.total()},
                                    {"foreign_proxy_header", tallies_.foreign.total()},
                                    {"late", counts.late},
                                    {"origin_refused", counts.refused},
                                    {"data_connection_lost", counts.broken},
                                    {"service_closed", counts.service_closed}});
    status.callers_refused = {{"stranger", tallies_.strangers.total()},
                              {"ignored", tallies_.ignored.total()}};
    status.log_ins_rejected = tallies_.rejections.total();
    status.accept_failures = tallies_.accept_failures.total();
    status.waiting = visitors_.room().size();
    status.visitor_capacity = capacity_.visitors();
    status.parked = parked();
    status.relay_loads = relay_.loads();
    status.counts = counts;
    status.counts.log_ins = log_ins_.count();
    status.counts.no_proof = control_port_.failed_log_ins();
    return status;
}

} // namespace tunnel
