#include "remote-proxy/services/present_services.hpp"

namespace tunnel {

std::vector<PresentService> present_services(const ServiceMap& services)
{
    std::vector<PresentService> all;
    all.reserve(services.size());
    for (const auto& [name, service] : services) {
        PresentService& each = all.emplace_back();
        each.name = name;
        each.from = service->tunnel  ? ServiceSource::management
                    : service->owner ? ServiceSource::origin
                                     : ServiceSource::options;
        each.offer = service->options.offer();
        if (service->owner)
            each.owner = service->owner->credential();
        each.address = service->options.outside_address;
        each.where = service->outside.endpoint();
    }
    return all;
}

} // namespace tunnel
