#include "remote-proxy/services/service_table.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "common/base/error.hpp"
#include "common/base/log.hpp"
#include "common/management/json_response.hpp"

namespace tunnel {

namespace {

// Of an origin proxy that was stopped to be started again.
constexpr Clock::duration time_of_restart = std::chrono::seconds(3);

// What a service of it can be called, the first that is free: where the credential has a name, that
// of the machine is not needed as long as no other of them has the same service.
std::vector<std::string> keys_of(const OriginName& origin, const std::string& name)
{
    const std::string full = fmt::format("{}/{}", origin.identity(), name);
    return {fmt::format("{}/{}", origin.family(), name), full, full + "#2"};
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

ServiceTable::ServiceTable(Uses uses)
    : io_(uses.io),
      options_(uses.options),
      state_(uses.state),
      saved_(uses.saved),
      capacity_(uses.capacity),
      visitors_(uses.visitors),
      alarm_(uses.alarm),
      events_(uses.events),
      hosts_(io_)
{
}

ServicePointer ServiceTable::find(const std::string& name) const
{
    const auto found = services_.find(name);
    return found == services_.end() ? nullptr : found->second;
}

ServicePointer ServiceTable::opened_by(const OriginName& origin, const std::string& name) const
{
    for (const std::string& key : keys_of(origin, name)) {
        const auto found = services_.find(key);
        if (found != services_.end() && found->second->owner &&
            found->second->owner->is_alike(origin) && found->second->options.offer() == name)
            return found->second;
    }
    return nullptr;
}

std::string ServiceTable::name_for(const OriginName& origin, const std::string& name) const
{
    for (const std::string& key : keys_of(origin, name)) {
        if (!services_.contains(key))
            return key;
    }
    fail(std::make_error_code(std::errc::file_exists),
         fmt::format("others have services that are called as \"{}\" of {} is", name,
                     origin.shown()));
}

std::vector<ServicePointer> ServiceTable::served_by(const OriginLink& link) const
{
    std::vector<ServicePointer> its;
    for (const auto& [name, service] : services_) {
        if (service->server(&link) != nullptr)
            its.push_back(service);
    }
    return its;
}

std::optional<std::string> ServiceTable::meant_by(const std::string& name) const
{
    if (services_.contains(name))
        return name;
    std::optional<std::string> meant;
    for (const auto& [key, service] : services_) {
        if (!service->owner)
            continue;
        if (service->lasting_name() == name)
            return key;
        if (service->options.offer() == name && std::exchange(meant, key))
            return std::nullopt;
    }
    return meant;
}

Listener ServiceTable::listen(const Address& address)
{
    return {io_, hosts_.endpoint(address), options_.common.congestion, Hop::edge};
}

ServicePointer ServiceTable::add(RemoteService options, Listener listener,
                                 std::shared_ptr<const OriginName> owner)
{
    auto service = std::make_shared<PublicService>(io_.get_executor(), std::move(options),
                                                   std::move(listener), ++latest_service_);
    service->owner = std::move(owner);
    service->drained = saved_.drained_services.contains(service->lasting_name());
    services_[service->options.name] = service;
    capacity_.set_services(services_.size());
    if (events_.is_heard())
        events_.publish("service_opened", to_line(Json{{"service", *service->name}}));
    visitors_.admission().accept(service);
    return service;
}

std::vector<PublicService::Server> ServiceTable::close(const ServicePointer& service,
                                                       std::string_view why)
{
    service->retired = true;
    service->outside.close();
    service->opened.notify();
    services_.erase(service->options.name);
    ++closed_;
    capacity_.set_services(services_.size());
    if (events_.is_heard())
        events_.publish("service_closed",
                        to_line(Json{{"service", *service->name}, {"reason", why}}));
    return std::exchange(service->servers, {});
}

void ServiceTable::attach(PublicService& service, OriginLink& link)
{
    if (!state_.stopping && !service.drained && !link.drained)
        service.outside.open();
    if (service.server(&link) == nullptr)
        service.servers.push_back({&link, 0, {}, link.ill.contains(service.options.offer())});
    begin_again(service);
}

void ServiceTable::begin_again(PublicService& service)
{
    if (!service.is_served())
        return;
    service.outage_ends.reset();
    service.absence.clear();
    service.opened.notify();
    visitors_.announce(service);
}

bool ServiceTable::detach(PublicService& service, OriginLink& link)
{
    std::erase_if(service.servers, [&link](const auto& server) { return server.link == &link; });
    if (service.is_served()) {
        visitors_.announce(service);
        return false;
    }
    const auto now = Clock::now();
    const bool is_free = service.servers.empty();
    if (is_free)
        service.deserted = now;
    // One that has said goodbye is back soon, or has been stopped for good.
    const bool is_goodbye = !link.goodbye.empty();
    const std::string& name = link.name->shown();
    constexpr std::size_t longest_goodbye = 100;
    service.absence =
        is_goodbye ? name + " has said goodbye: " + link.goodbye.text.substr(0, longest_goodbye)
        : !link.connection.farewell().empty() ? "the connection of " + name + " was closed here"
        : link.is_lost                        ? "the connection of " + name + " was lost"
                                              : name + " serves it no longer";
    const Clock::duration patience = options_.pairing_timeout;
    service.outage_ends = now + (is_goodbye ? std::min(patience, time_of_restart) : patience);
    alarm_.ring_by(*service.outage_ends);
    return is_free;
}

std::optional<Clock::time_point> ServiceTable::next_outage_end() const
{
    std::optional<Clock::time_point> next;
    for (const auto& [name, service] : services_) {
        if (service->outage_ends && (!next || *service->outage_ends < *next))
            next = service->outage_ends;
    }
    return next;
}

std::vector<ServicePointer> ServiceTable::outages_over(Clock::time_point now) const
{
    std::vector<ServicePointer> over;
    for (const auto& [name, service] : services_) {
        if (service->outage_ends && now >= *service->outage_ends)
            over.push_back(service);
    }
    return over;
}

} // namespace tunnel
