#include "origin-proxy/servers/services.hpp"

#include <utility>

#include "common/base/log.hpp"
#include "common/protocol/frame.hpp"

namespace tunnel {

std::vector<OriginService> services_of(const OriginOptions& options)
{
    if (!options.services.empty())
        return options.services;
    OriginService only{std::string(default_service), options.origin_server_address};
    only.rules = options.rules;
    return {only};
}

Services::Services(Dialling dialling, const std::vector<OriginService>& wanted, bool offered)
    : dialling_(std::move(dialling))
{
    change(wanted, offered);
}

std::shared_ptr<Service> Services::find(std::string_view name) const
{
    const auto found = table_.find(name);
    return found == table_.end() ? nullptr : found->second;
}

std::vector<std::shared_ptr<Service>> Services::all() const
{
    std::vector<std::shared_ptr<Service>> all;
    for (const auto& [name, service] : table_)
        all.push_back(service);
    return all;
}

void Services::change(const std::vector<OriginService>& wanted, bool offered)
{
    offered_ = offered;
    auto before = std::exchange(table_, {});
    names_.clear();
    for (const OriginService& options : wanted) {
        names_.push_back(options.name);
        auto old = before.extract(options.name);
        if (old.empty()) {
            auto limits = std::make_shared<SharedLimits>(options.rules.bandwidth.together);
            table_.emplace(options.name, made_of(options, std::move(limits)));
            continue;
        }
        std::shared_ptr<Service>& service = old.mapped();
        if (service->options.rules.bandwidth.together != options.rules.bandwidth.together)
            service->bandwidth->change(options.rules.bandwidth.together);
        if (service->options != options)
            service = made_of(options, service->bandwidth);
        table_.insert(std::move(old));
    }
    for (const auto& [name, service] : before)
        log::info("service withdrawn", {{"service", name}});
}

std::shared_ptr<Service> Services::made_of(const OriginService& options,
                                           std::shared_ptr<SharedLimits> bandwidth) const
{
    return std::make_shared<Service>(
        Service{options,
                OriginServer(dialling_.executor, options.origin_server_address, dialling_.timeout,
                             dialling_.congestion),
                std::move(bandwidth)});
}

} // namespace tunnel
