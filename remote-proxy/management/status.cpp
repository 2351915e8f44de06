#include "remote-proxy/management/status.hpp"

#include <algorithm>

#include "common/transport/socket.hpp"
#include "remote-proxy/remote_proxy.hpp"

namespace tunnel {

namespace {

RemoteStatus::Refused refused(const Tally& tally)
{
    return {tally.code(), tally.total()};
}

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
    const bool any_required = std::ranges::any_of(
        table_.all(), [](const auto& entry) { return entry.second->options.required; });
    std::map<const OriginLink*, std::vector<std::string>> services_of_link;
    for (const auto& [name, service] : table_.all()) {
        const bool expected =
            any_required ? service->options.required : !service->owner && !service->tunnel;
        RemoteStatus::Service& its = status.services.emplace_back(RemoteStatus::Service{
            name, service->limits.present(), service->servers.size(), expected, service->counts});
        its.outside = to_string(service->outside.endpoint());
        its.from = service->tunnel  ? RemoteStatus::From::management
                   : service->owner ? RemoteStatus::From::origin
                                    : RemoteStatus::From::options;
        its.drained = service->drained;
        its.is_open = service->outside.is_open();
        its.absence = service->absence;
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
    for (const Tally& each : tallies_.refusals)
        status.visitors_refused.push_back(refused(each));
    status.visitors_refused.insert(status.visitors_refused.end(),
                                   {refused(tallies_.no_room),
                                    refused(tallies_.no_proxy_header),
                                    refused(tallies_.foreign_proxy_header),
                                    {Code::late, counts.late},
                                    {Code::origin_refused, counts.refused},
                                    {Code::data_connection_lost, counts.broken},
                                    {Code::service_closed, counts.service_closed}});
    status.control_refused = {refused(tallies_.strangers), refused(tallies_.ignored)};
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
