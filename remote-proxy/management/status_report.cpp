#include "remote-proxy/management/status_report.hpp"

#include <algorithm>
#include <map>
#include <utility>

#include "common/transport/socket.hpp"

namespace tunnel {

namespace {

RemoteStatus::Refused refused(const Tally& tally)
{
    return {tally.code(), tally.total()};
}

std::vector<RemoteStatus::AtFront> at_fronts(const Reception& reception)
{
    std::vector<RemoteStatus::AtFront> all;
    if (reception.fronts().first(Front::Kind::tls)) {
        const FrontCounts& counts = reception.tls_counts();
        all.push_back({"https", "passed_on", counts.passed_on});
        for (std::size_t i = 0; i < FrontCounts::reasons.size(); ++i)
            all.push_back({"https", name_of(FrontCounts::reasons[i]), counts.by_reason[i]});
    }
    if (reception.fronts().first(Front::Kind::http)) {
        const HttpCounts& counts = reception.http_counts();
        all.insert(all.end(), {{"http", "acme", counts.acme},
                               {"http", "redirected", counts.redirected},
                               {"http", name_of(Code::unknown_host), counts.unknown_host},
                               {"http", name_of(Code::bad_request), counts.bad_request},
                               {"http", name_of(Code::timeout), counts.timeout}});
    }
    return all;
}

} // namespace

RemoteStatus status_of(const StatusSources& of)
{
    const RemoteCounts& counts = of.visitors.counts();
    RemoteStatus status;
    status.stopping = of.state.is_ending();
    status.at_fronts = at_fronts(of.reception);
    const ServiceList& services = of.services.registry().services();
    const bool any_required = std::ranges::any_of(
        services, [](const auto& entry) { return entry.second->options.required; });
    std::map<const OriginLink*, std::vector<std::string>> services_of_link;
    for (const auto& [name, registered] : services) {
        const ServicePointer service = of.services.find(*registered);
        const bool expected = any_required ? service->options.required
                                           : registered->source() == ServiceSource::options;
        RemoteStatus::Service& its = status.services.emplace_back(RemoteStatus::Service{
            name, service->limits.present(), service->servers.size(), expected, service->counts});
        its.outside = registered->outside();
        its.from = registered->source();
        its.drained = registered->drained;
        its.is_open = of.services.is_open(*service);
        its.absence = registered->absence;
        if (service->options.is_http())
            its.requests = service->requests();
        for (const PublicService::Server& server : service->servers) {
            its.served_by.push_back(server.link->name->shown());
            services_of_link[server.link].push_back(name);
        }
    }
    for (const OriginLink* const link : of.links) {
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
    for (const Tally& each : of.tallies.refusals)
        status.visitors_refused.push_back(refused(each));
    status.visitors_refused.insert(status.visitors_refused.end(),
                                   {refused(of.tallies.no_room),
                                    refused(of.tallies.no_proxy_header),
                                    refused(of.tallies.foreign_proxy_header),
                                    {Code::late, counts.late},
                                    {Code::origin_refused, counts.refused},
                                    {Code::data_connection_lost, counts.broken},
                                    {Code::service_closed, counts.service_closed}});
    status.control_refused = {refused(of.tallies.strangers), refused(of.tallies.ignored)};
    status.log_ins_rejected = of.tallies.rejections.total();
    status.accept_failures = of.tallies.accept_failures.total();
    status.waiting = of.visitors.room().size();
    status.visitor_capacity = of.capacity.visitors();
    status.parked = of.log_ins.parked();
    status.http_streams = of.visitors.streams().size();
    status.http_visitors = of.reception.http_visitors();
    status.relay_loads = of.relay.loads();
    status.counts = counts;
    status.counts.log_ins = of.log_ins.count();
    status.counts.no_proof = of.control_port.failed_log_ins();
    return status;
}

} // namespace tunnel
