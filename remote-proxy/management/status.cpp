#include "remote-proxy/management/status.hpp"

namespace tunnel {

std::string_view RemoteStatus::state_of(const Service& service)
{
    if (service.drained)
        return "drained";
    if (!service.is_open)
        return "closed";
    return service.absence.empty() ? "open" : "waiting";
}

} // namespace tunnel
