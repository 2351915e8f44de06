#include "origin-proxy/services.hpp"

#include <utility>

#include "common/log.hpp"

namespace tunnel {

Services::Services(Dialling dialling, const std::vector<OriginService>& wanted)
    : dialling_(std::move(dialling))
{
    change(wanted);
}

std::shared_ptr<Service> Services::find(std::string_view name) const
{
    const auto found = table_.find(name);
    return found == table_.end() ? nullptr : found->second;
}

void Services::change(const std::vector<OriginService>& wanted)
{
    auto before = std::exchange(table_, {});
    names_.clear();
    for (const OriginService& options : wanted) {
        names_.push_back(options.name);
        auto old = before.extract(options.name);
        if (old.empty()) {
            table_.emplace(options.name, made_of(options));
            continue;
        }
        if (old.mapped()->options != options)
            old.mapped() = made_of(options);
        table_.insert(std::move(old));
    }
    for (const auto& [name, service] : before)
        log::info("service withdrawn", {{"service", name}});
}

std::shared_ptr<Service> Services::made_of(const OriginService& options) const
{
    return std::make_shared<Service>(
        Service{options, OriginServer(dialling_.executor, options.origin_server_address,
                                      dialling_.timeout, dialling_.congestion)});
}

} // namespace tunnel
