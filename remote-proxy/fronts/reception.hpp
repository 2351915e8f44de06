// All that stands between the outside addresses and the services.
#pragma once

#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "common/base/alarm.hpp"
#include "common/base/asio.hpp"
#include "common/base/every.hpp"
#include "common/base/task_group.hpp"
#include "common/security/served_certificates.hpp"
#include "common/transport/listener.hpp"
#include "remote-proxy/fronts/acceptor.hpp"
#include "remote-proxy/fronts/acme_webroot.hpp"
#include "remote-proxy/fronts/fronts.hpp"
#include "remote-proxy/fronts/http_gateway.hpp"
#include "remote-proxy/fronts/http_visitors.hpp"
#include "remote-proxy/fronts/tls_visitors.hpp"
#include "remote-proxy/options/options.hpp"
#include "remote-proxy/origins/capacity.hpp"
#include "remote-proxy/visitors/admission.hpp"
#include "remote-proxy/visitors/run_state.hpp"
#include "remote-proxy/visitors/tallies.hpp"

namespace tunnel {

// Puts the parts together: accepting, and finding out which service is meant.
class Reception {
public:
    // Owned by others; all must outlive this.
    struct Uses {
        asio::io_context& io;
        const RemoteOptions& options;
        const Capacity& capacity;
        const RunState& state;
        Tallies& tallies;
        Alarm& alarm;
        TaskGroup& tasks;
        Admission& admission;
        IdleWatch& watch;
    };

    // What has to be there before the sandbox is entered.
    struct Prepared {
        std::vector<std::pair<Front::Kind, Listener>> listeners{};
        std::shared_ptr<TicketKeys> tickets{};                    // null: no TLS ends here
        std::shared_ptr<const ServedCertificates> certificates{}; // as well
        std::unique_ptr<AcmeWebroot> webroot{};                   // null: there is none
        std::shared_ptr<const ErrorPages> pages{};
    };

    Reception(Uses uses, Prepared prepared);

    // The addresses that stay take visitors. Throws std::system_error.
    void start() { fronts_.start(); }

    Fronts& fronts() { return fronts_; }

    const Fronts& fronts() const { return fronts_; }

    // Reads them anew. Throws std::runtime_error that names the file.
    std::shared_ptr<const ServedCertificates>
    read_certificates(const std::vector<std::string>& folders) const;

    // Reads them anew. Throws std::runtime_error that names the file.
    static std::shared_ptr<const ErrorPages> read_pages(const std::string& folder);

    void show(std::shared_ptr<const ErrorPages> pages) { http_.show(std::move(pages)); }

    void show(std::shared_ptr<const ServedCertificates> certificates)
    {
        tls_.show(std::move(certificates));
    }

    // Null: there are none.
    const ServedCertificates* certificates() const { return tls_.certificates(); }

    // Whether there is one for all that a pattern of names stands for.
    bool has_certificate(std::string_view host) const
    {
        return tls_.certificates() != nullptr && tls_.certificates()->covers(host);
    }

    // Calls back for what has come. While descriptor() is readable.
    void work() { tls_.work(); }

    int descriptor() const { return tls_.descriptor(); }

    void expire(Clock::time_point now)
    {
        tls_.expire(now);
        http_.expire(now);
    }

    std::optional<Clock::time_point> next_deadline() const;

    // The program stops: visitors who speak HTTP bring no more requests.
    void leave() { http_.leave(); }

    // Another process has the addresses. Those who were let in here are served; each request of a
    // visitor who speaks HTTP is its last.
    void let_finish()
    {
        fronts_.leave_addresses();
        http_.let_finish();
    }

    // Visitors who have not found their service, or have no request under way.
    std::size_t unsettled() const { return tls_.size() + http_.size(); }

    // Resets all who have not found their service.
    void stop();

    const FrontCounts& tls_counts() const { return tls_.counts(); }

    // Who speak HTTP, and have no request under way.
    std::size_t http_visitors() const { return http_.size(); }

    const HttpCounts& http_counts() const { return http_.counts(); }

private:
    // Those at the HTTP address.
    class AtHttp final : public NamedVisitors {
    public:
        explicit AtHttp(HttpVisitors& visitors) : visitors_(visitors) {}

        void take(Newcomer newcomer) override
        {
            visitors_.take(
                {std::move(newcomer.socket),
                 {newcomer.peer, newcomer.outside, std::move(newcomer.front), newcomer.is_proxy}});
        }

    private:
        HttpVisitors& visitors_;
    };

    std::shared_ptr<TicketKeys> tickets_;
    std::unique_ptr<AcmeWebroot> webroot_;
    Every rotation_; // of keys that nobody uses
    Fronts fronts_;
    HttpVisitors http_;
    HttpGateway gateway_;
    AtHttp at_http_;
    TlsVisitors tls_;
    Acceptor acceptor_;
};

// Binds the addresses that stay, and reads the certificates. Throws std::system_error or
// std::runtime_error that names what cannot be had.
Reception::Prepared prepare_reception(asio::io_context& io, const RemoteOptions& options,
                                      GivenSockets& given);

} // namespace tunnel
