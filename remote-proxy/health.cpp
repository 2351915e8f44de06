// What origin proxies tell of their origin servers.
#include "remote-proxy/remote_proxy.hpp"

#include "common/log.hpp"

namespace tunnel {

// Of a service that it offers or serves; what it says of others is nobody's concern.
void RemoteProxy::on_health(OriginLink& link, const ServerHealth& health)
{
    std::vector<PublicService::Server*> servers;
    for (const ServicePointer& service : served_by(link)) {
        if (service->options.offer() == health.service)
            servers.push_back(service->server(&link));
    }
    if (servers.empty() && !link.offers.contains(health.service))
        return;
    if (health.state != ServerState::well && health.state != ServerState::ill)
        return; // of a later version
    const bool is_ill = health.state == ServerState::ill;
    const bool news =
        is_ill ? link.ill.insert(health.service).second : link.ill.erase(health.service) > 0;
    for (PublicService::Server* const server : servers) {
        server->is_ill = is_ill;
        if (!is_ill)
            server->refused.reset(); // it takes connections
    }
    if (!news || !may_log(link.name->credential(), health.service))
        return;
    if (is_ill)
        log::warn("an origin server is not well", {{"service", health.service},
                                                   log_name(link),
                                                   {"origin", link.address},
                                                   {"reason", health.text}});
    else
        log::info("an origin server is well again",
                  {{"service", health.service}, log_name(link), {"origin", link.address}});
}

} // namespace tunnel
