#include "remote-proxy/fronts/reception.hpp"

#include <algorithm>
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
    limits.answers = uses.capacity.http_answers();
    limits.head = uses.options.handshake_timeout;
    return limits;
}

void warn_of(const ServedCertificates& certificates)
{
    for (const std::string& concern : certificates.concerns())
        log::warn("certificates", {{"concern", concern}});
}

} // namespace

Reception::Prepared prepare_reception(asio::io_context& io, const RemoteOptions& options,
                                      GivenSockets& given)
{
    Reception::Prepared prepared;
    const auto listen = [&](const char* option, std::string_view use,
                            const std::vector<Address>& addresses, Front::Kind kind) {
        for (const Address& each : addresses)
            prepared.listeners.emplace_back(kind, listen_for(option, [&] {
                                                return listener_at(
                                                    io, endpoint_to_listen(io, each), {given, use},
                                                    options.common.congestion, Hop::edge);
                                            }));
    };
    listen("--https-addr", "https", options.fronts.https, Front::Kind::tls);
    listen("--http-addr", "http", options.fronts.http, Front::Kind::http);
    if (!options.fronts.https.empty())
        prepared.tickets = std::make_shared<TicketKeys>();
    if (!options.fronts.certificates.empty())
        prepared.certificates =
            ServedCertificates::load(options.fronts.certificates, prepared.tickets);
    prepared.pages = Reception::read_pages(options.fronts.error_pages);
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
      http_({uses.io, uses.watch, uses.alarm, uses.tasks, webroot_.get()},
            {[this](const HttpVisitorInfo& visitor, std::string_view host) {
                 return gateway_.find(visitor, host);
             },
             [this](HttpClient client, const std::string& bytes, const RequestHead& head) {
                 gateway_.pass_on(std::move(client), bytes, head);
             },
             [&tallies = uses.tallies](std::string_view peer, std::string_view why) {
                 tallies.count(tallies.bad_requests, peer, why);
             },
             [&options = uses.options](const AccessRecord& access) {
                 if (options.fronts.access_log)
                     log_access(access);
             }},
            https_port_of(prepared.listeners), limits_of(uses)),
      gateway_({uses.io, uses.options, uses.capacity, uses.state, fronts_, uses.admission, http_}),
      at_http_(http_),
      tls_({uses.io, uses.options, uses.capacity, uses.state, fronts_, uses.tallies, uses.alarm,
            uses.admission, http_}),
      acceptor_(
          {uses.options, uses.state, uses.tallies, uses.tasks, uses.admission, tls_, at_http_})
{
    if (prepared.certificates)
        warn_of(*prepared.certificates);
    show(std::move(prepared.certificates));
    show(std::move(prepared.pages));
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

std::shared_ptr<const ErrorPages> Reception::read_pages(const std::string& folder)
{
    return std::make_shared<const ErrorPages>(folder.empty() ? ErrorPages()
                                                             : ErrorPages::read(folder));
}

std::optional<Clock::time_point> Reception::next_deadline() const
{
    const auto tls = tls_.next_deadline();
    const auto http = http_.next_deadline();
    return tls && http ? std::min(*tls, *http) : tls ? tls : http;
}

void Reception::stop()
{
    tls_.stop();
    http_.stop();
    gateway_.stop();
}

} // namespace tunnel
