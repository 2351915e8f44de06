// The services of the remote proxy: how they begin and end, and change with its options.
#include "remote-proxy/remote_proxy.hpp"

#include <algorithm>
#include <utility>

#include "common/log.hpp"
#include "common/management/json.hpp"
#include "common/net/socket.hpp"

namespace tunnel {

namespace {

// Of an origin proxy that was stopped to be started again.
constexpr Clock::duration time_of_restart = std::chrono::seconds(3);

bool is_named(const std::vector<RemoteService>& services, const std::string& name)
{
    return std::ranges::find(services, name, &RemoteService::name) != services.end();
}

} // namespace

std::vector<RemoteService> services_of(const RemoteOptions& options)
{
    std::vector<RemoteService> all = options.services;
    if (options.outside_address) {
        RemoteService only{std::string(default_service), *options.outside_address};
        only.rules = options.rules;
        only.is_exclusive = true;
        all.insert(all.begin(), std::move(only));
    }
    return all;
}

Listener RemoteProxy::listen(const Address& address)
{
    return {io_, hosts_.endpoint(address), options_.common.congestion, Hop::edge};
}

RemoteProxy::ServicePointer RemoteProxy::add_service(RemoteService options, Listener listener,
                                                     std::shared_ptr<const OriginName> owner)
{
    auto service = std::make_shared<PublicService>(io_.get_executor(), std::move(options),
                                                   std::move(listener), ++latest_service_);
    service->owner = std::move(owner);
    service->drained = kept_.drained_services.contains(service->lasting_name());
    services_[service->options.name] = service;
    if (events_.is_heard())
        events_.publish("service_opened", to_line(Json{{"service", *service->name}}));
    tasks_.spawn("accepting visitors", accept_visitors(service));
    return service;
}

// Those who are being served go on. All who served it are told, but for `knows`.
void RemoteProxy::retire(const ServicePointer& service, std::string_view why,
                         const OriginLink* knows)
{
    const std::string& name = service->options.name;
    const std::string& offer = service->options.offer();
    if (!service->owner || may_log(service->owner->credential(), name))
        log::info("service closed", {{"service", name}, {"reason", why}});
    service->retired = true;
    service->outside.close();
    service->opened.notify();
    services_.erase(name);
    if (events_.is_heard())
        events_.publish("service_closed", to_line(Json{{"service", name}, {"reason", why}}));
    for (const PublicService::Server& server : std::exchange(service->servers, {})) {
        OriginLink& link = *server.link;
        if (service->tunnel) { // it may have the same service still, elsewhere
            if (link.offers.contains(service->options.offer()))
                consider(link, service->options.offer());
            continue;
        }
        const auto offered = link.offers.find(offer);
        if (!link.offers_services) {
            link.connection.finish("its service is gone");
            lose(link);
        } else if (&link != knows && offered != link.offers.end()) {
            tell(link, offered->second, Declined{offer, DeclineReason::removed, std::string(why)});
        }
    }
    become_free(*service);
    while (auto visitor = room_.dismiss_untold(service->number)) {
        ++counts_.service_closed;
        turn_away(std::move(*visitor), why);
    }
}

// Throws std::system_error if it cannot listen.
void RemoteProxy::serve(PublicService& service, OriginLink& link)
{
    if (!stopping_ && !service.drained && !link.drained)
        service.outside.open();
    if (service.server(&link) == nullptr)
        service.servers.push_back({&link, 0, {}, link.ill.contains(service.options.offer())});
    begin_again(service);
}

// Somebody is there who may take its visitors.
void RemoteProxy::begin_again(PublicService& service)
{
    if (!service.is_served())
        return;
    service.outage_ends.reset();
    service.absence.clear();
    service.opened.notify();
    tell_visitors(service);
}

std::vector<RemoteProxy::ServicePointer> RemoteProxy::served_by(const OriginLink& link) const
{
    std::vector<ServicePointer> its;
    for (const auto& [name, service] : services_) {
        if (service->server(&link) != nullptr)
            its.push_back(service);
    }
    return its;
}

void RemoteProxy::leave(PublicService& service, OriginLink& link)
{
    std::erase_if(service.servers, [&link](const auto& server) { return server.link == &link; });
    if (service.is_served()) {
        tell_visitors(service);
        return;
    }
    const auto now = Clock::now();
    if (service.servers.empty()) {
        service.deserted = now;
        become_free(service);
    }
    // One that has said goodbye is back soon, or has been stopped for good.
    const bool is_goodbye = !link.goodbye.empty();
    const std::string& name = link.name->shown();
    constexpr std::size_t longest_goodbye = 100;
    service.absence =
        is_goodbye ? name + " has said goodbye: " + link.goodbye.substr(0, longest_goodbye)
        : !link.connection.farewell().empty() ? "the connection of " + name + " was closed here"
        : link.is_lost                        ? "the connection of " + name + " was lost"
                                              : name + " serves it no longer";
    const Clock::duration patience = options_.pairing_timeout;
    service.outage_ends = now + (is_goodbye ? std::min(patience, time_of_restart) : patience);
    be_woken_at(*service.outage_ends);
}

// What can fail comes first, but for a port that changes hands. Throws std::system_error, and then
// nothing has changed.
void RemoteProxy::change_services(const RemoteOptions& fresh)
{
    const std::vector<RemoteService> wanted = services_of(fresh);
    const auto stays = [this](const RemoteService& service) {
        const auto found = services_.find(service.name);
        return found != services_.end() && !found->second->owner &&
               found->second->options.outside_address == service.outside_address;
    };
    std::vector<tcp::endpoint> new_endpoints;
    for (const RemoteService& service : wanted) {
        if (!stays(service))
            new_endpoints.push_back(hosts_.endpoint(service.outside_address));
    }
    std::vector<ServicePointer> leaving;
    for (const auto& [name, service] : services_) {
        const auto same = std::ranges::find(
            wanted, service->owner ? service->options.offer() : name, &RemoteService::name);
        const bool named = same != wanted.end();
        if (service->tunnel  ? gives_way(*service, new_endpoints)
            : service->owner ? named && may_serve(*same, service->owner->credential())
                             : !named || !stays(*same))
            leaving.push_back(service);
    }
    // A port that one gives up and another one takes is free only then.
    std::vector<std::uint16_t> held;
    for (const ServicePointer& service : leaving)
        held.push_back(service->outside.endpoint().port());
    const auto is_held = [&held](const Address& address) {
        return std::ranges::any_of(held,
                                   [&address](std::uint16_t port) { return address.port == port; });
    };
    std::vector<std::pair<RemoteService, Listener>> coming;
    for (const RemoteService& service : wanted) {
        if (!stays(service) && !is_held(service.outside_address))
            coming.emplace_back(service, listen(service.outside_address));
    }
    for (const ServicePointer& service : leaving) {
        if (service->tunnel)
            forget(*service->tunnel);
        retire(service, service->tunnel  ? "the options name a service at its address"
                        : service->owner ? "the options name one that is called so"
                        : is_named(wanted, service->options.name)
                            ? "its address has changed in the options"
                            : "it is gone from the options");
    }
    for (const RemoteService& service : wanted) {
        if (stays(service)) {
            services_.at(service.name)->change(service);
        } else if (is_held(service.outside_address)) {
            try {
                coming.emplace_back(service, listen(service.outside_address));
            } catch (const std::system_error& error) {
                log::error("a service is missing until the next reload",
                           {{"service", service.name}, {"reason", error.what()}});
            }
        }
    }
    for (auto& [service, listener] : coming)
        add_service(std::move(service), std::move(listener), nullptr);
    for (const auto& [name, service] : services_) {
        if (!service->owner && !service->tunnel)
            continue;
        RemoteService opened = service->options;
        opened.rules = fresh.rules;
        service->change(std::move(opened));
    }
    origin_bandwidths_.change(fresh.bandwidth_per_origin);
    options_.outside_address = fresh.outside_address;
    options_.rules = fresh.rules;
    options_.allow_ports = fresh.allow_ports;
    options_.trust = fresh.trust;
    options_.common.grace_period = fresh.common.grace_period;
}

} // namespace tunnel
