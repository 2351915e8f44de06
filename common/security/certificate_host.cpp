#include "common/security/certificate_host.hpp"

namespace tunnel {

std::string certificate_host(std::string_view host)
{
    host = host.substr(0, host.find('%'));
    if (host.size() > 1 && host.ends_with('.'))
        host.remove_suffix(1);
    return std::string(host);
}

} // namespace tunnel
