#include "remote-proxy/registry/service_list.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "common/base/error.hpp"

namespace tunnel {

namespace {

// What a service of it can be called, the first that is free: where the credential has a name, that
// of the machine is not needed as long as no other of them has the same service.
std::vector<std::string> keys_of(const OriginName& origin, const std::string& name)
{
    const std::string full = fmt::format("{}/{}", origin.identity(), name);
    return {fmt::format("{}/{}", origin.family(), name), full, full + "#2"};
}

template <class Condition>
std::vector<RegisteredServicePointer> services_where(const ServiceList& all, Condition condition)
{
    std::vector<RegisteredServicePointer> found;
    for (const auto& [name, service] : all) {
        if (condition(*service))
            found.push_back(service);
    }
    return found;
}

} // namespace

RegisteredServicePointer ServiceList::find(const std::string& name) const
{
    const auto found = all_.find(name);
    return found == all_.end() ? nullptr : found->second;
}

RegisteredServicePointer ServiceList::opened_by(const OriginName& origin,
                                                const std::string& name) const
{
    for (const std::string& key : keys_of(origin, name)) {
        const RegisteredServicePointer service = find(key);
        if (service && service->owner && service->owner->is_alike(origin) &&
            service->options.offer() == name)
            return service;
    }
    return nullptr;
}

std::string ServiceList::name_for(const OriginName& origin, const std::string& name) const
{
    for (const std::string& key : keys_of(origin, name)) {
        if (!all_.contains(key))
            return key;
    }
    fail(std::make_error_code(std::errc::file_exists),
         fmt::format("others have services that are called as \"{}\" of {} is", name,
                     origin.shown()));
}

std::vector<RegisteredServicePointer> ServiceList::served_by(std::uint64_t link) const
{
    return services_where(*this, [link](const auto& each) { return each.is_served_by(link); });
}

std::vector<RegisteredServicePointer> ServiceList::tunnels_to(const OriginName& origin,
                                                              const std::string& offer) const
{
    return services_where(*this, [&](const auto& each) {
        return each.tunnel && each.tunnel->service == offer &&
               origin.answers_to(each.tunnel->client);
    });
}

std::vector<RegisteredServicePointer> ServiceList::at(const tcp::endpoint& where) const
{
    return services_where(*this, [&](const auto& each) { return overlap(each.where, where); });
}

std::size_t ServiceList::count_of_owner(const std::string& credential) const
{
    return static_cast<std::size_t>(std::ranges::count_if(all_, [&credential](const auto& entry) {
        const auto& owner = entry.second->owner;
        return owner && owner->credential() == credential;
    }));
}

std::optional<std::string> ServiceList::meant_by(const std::string& name) const
{
    if (all_.contains(name))
        return name;
    std::optional<std::string> meant;
    for (const auto& [key, service] : all_) {
        if (!service->owner)
            continue;
        if (service->lasting_name() == name)
            return key;
        if (service->options.offer() == name && std::exchange(meant, key))
            return std::nullopt;
    }
    return meant;
}

std::vector<PresentService> ServiceList::present() const
{
    std::vector<PresentService> present;
    present.reserve(all_.size());
    for (const auto& [name, service] : all_)
        present.push_back({name, service->source(), service->options.offer(),
                           service->owner ? service->owner->credential() : std::string(),
                           service->options.outside_address, service->where});
    return present;
}

RegisteredServicePointer ServiceList::add(RemoteService options, const tcp::endpoint& where)
{
    auto service = std::make_shared<RegisteredService>(
        RegisteredService{++latest_, std::move(options), where});
    all_[service->options.name] = service;
    return service;
}

void ServiceList::remove(const RegisteredService& service)
{
    all_.erase(service.options.name);
    ++removed_;
}

} // namespace tunnel
