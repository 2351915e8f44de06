#include "remote-proxy/fronts/reception.hpp"

#include <string_view>

#include "common/base/log.hpp"
#include "common/transport/cannot_listen.hpp"

namespace tunnel {

namespace {

constexpr std::uint16_t https = 443;

// As visitors reach it.
std::uint16_t https_port_of(const std::vector<std::pair<Front::Kind, Listener>>& listeners)
{
    for (const auto& [kind, listener] : listeners) {
        if (kind == Front::Kind::tls)
            return listener.endpoint().port();
    }
    return https;
}

HttpLimits limits_of(const Reception::Uses& uses)
{
    HttpLimits limits;
    limits.connections = uses.capacity.http_visitors();
    limits.head = uses.options.handshake_timeout;
    return limits;
}

void warn_of(const ServedCertificates& certificates)
{
    for (const std::string& concern : certificates.concerns())
        log::warn("certificates", {{"concern", concern}});
}

} // namespace

Reception::Prepared prepare_reception(asio::io_context& io, const RemoteOptions& options)
{
    Reception::Prepared prepared;
    const auto listen = [&](const char* option, const std::vector<Address>& addresses,
                            Front::Kind kind) {
        for (const Address& each : addresses)
            prepared.listeners.emplace_back(kind, listen_for(option, [&] {
                                                return Listener(io, endpoint_to_listen(io, each),
                                                                options.common.congestion,
                                                                Hop::edge);
                                            }));
    };
    listen("--https-addr", options.fronts.https, Front::Kind::tls);
    listen("--http-addr", options.fronts.http, Front::Kind::http);
    if (!options.fronts.https.empty())
        prepared.tickets = std::make_shared<TicketKeys>();
    if (!options.fronts.certificates.empty())
        prepared.certificates =
            ServedCertificates::load(options.fronts.certificates, prepared.tickets);
    if (!options.fronts.acme_webroot.empty())
        prepared.webroot = std::make_unique<AcmeWebroot>(io, options.fronts.acme_webroot);
    return prepared;
}

Reception::Reception(Uses uses, Prepared prepared)
    : tickets_(std::move(prepared.tickets)),
      webroot_(std::move(prepared.webroot)),
      rotation_(uses.io, std::chrono::minutes(10),
                [this] {
                    if (tickets_)
                        tickets_->expire();
                }),
      fronts_(
          uses.io, uses.options, [this](const FrontPointer& front) { acceptor_.accept(front); },
          [this](const FrontPointer& front) { acceptor_.accept_connected(front); }),
      tls_({uses.io, uses.options, uses.capacity, uses.state, fronts_, uses.tallies, uses.alarm,
            uses.admission}),
      http_({uses.io, uses.tasks, webroot_.get()},
            {[this](std::string_view host) { return find(host); },
             [&tallies = uses.tallies](std::string_view peer, std::string_view why) {
                 tallies.count(tallies.bad_requests, peer, why);
             }},
            https_port_of(prepared.listeners), limits_of(uses)),
      at_http_(http_),
      acceptor_(
          {uses.options, uses.state, uses.tallies, uses.tasks, uses.admission, tls_, at_http_})
{
    if (prepared.certificates)
        warn_of(*prepared.certificates);
    show(std::move(prepared.certificates));
    for (auto& [kind, listener] : prepared.listeners)
        fronts_.add(kind, std::move(listener));
}

std::shared_ptr<const ServedCertificates>
Reception::read_certificates(const std::vector<std::string>& folders) const
{
    if (folders.empty() || !tickets_)
        return nullptr;
    auto certificates = ServedCertificates::load(folders, tickets_);
    warn_of(*certificates);
    return certificates;
}

HostKnown Reception::find(std::string_view host) const
{
    const PublicService* const service = fronts_.find_tls(host);
    if (service == nullptr)
        return {HostKnown::By::nobody};
    return {service->options.names.kind == ServiceKind::https ? HostKnown::By::https
                                                              : HostKnown::By::tls};
}

} // namespace tunnel
