// The outside addresses of the remote proxy.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "common/base/asio.hpp"
#include "common/transport/given_sockets.hpp"
#include "common/transport/listen_hosts.hpp"
#include "remote-proxy/fronts/front.hpp"
#include "remote-proxy/http/http_exchange.hpp"
#include "remote-proxy/options/options.hpp"

namespace tunnel {

// Owns them, and knows which service is reached where.
class Fronts {
public:
    using OnFront = std::function<void(const FrontPointer&)>;

    // `options` must outlive it. `on_new` is called for each that has its first service, or stays:
    // its visitors are to be accepted until it is retired. `on_shut` is called when visitors are
    // about to be refused: those who have connected already came before.
    Fronts(asio::io_context& io, const RemoteOptions& options, OnFront on_new, OnFront on_shut);

    // Hosts are looked up as ListenHosts does.
    tcp::endpoint endpoint(const Address& address) { return hosts_.endpoint(address); }

    // For the services that come later; replaces what nobody has taken yet.
    void give(GivenSockets given);

    // Visitors are accepted from now on, where they were held back.
    void begin_accepting();

    // Whoever has connected to a socket that was given and that nobody serves waits no longer.
    void refuse_unserved();

    // The port that a service had at the process that gave the sockets; nullopt: it had none.
    std::optional<std::uint16_t> former_port(std::string_view service) const;

    // A front for a service of its own; the one of tunnels at this very address if `is_shared`.
    // Throws std::system_error that names the address.
    FrontPointer listen(const tcp::endpoint& where, bool is_shared);

    // The same, with a listener that is there.
    FrontPointer listen(Listener listener);

    // One that stays, and takes visitors from start() on.
    void add(Front::Kind kind, Listener listener);

    // Those that stay take visitors. Throws std::system_error.
    void start();

    // The service is reached at its own front, or, null, by its names at all those of its kind.
    void add(const ServicePointer& service, const FrontPointer& own);

    // Its names have changed from these.
    void rename(const ServicePointer& service, const PublicNames& before);

    // Visitors can connect to the service. Throws std::system_error if its address cannot be
    // opened.
    void open(const PublicService& service);

    // They cannot; its address stays this program's. Those who have connected already are let in
    // if `are_let_in`, else reset.
    void shut(const PublicService& service, bool are_let_in);

    void close(const PublicService& service);

    bool is_open(const PublicService& service) const;

    // No address takes visitors again.
    void close_all();

    // The addresses are another process's; the services stay for those who are here.
    void leave_addresses();

    // The address of the first that stays, of this kind. nullopt: there is none.
    std::optional<tcp::endpoint> first(Front::Kind kind) const;

    // The service that visitors find under this name where they speak TLS. Null: there is none.
    const PublicService* find_tls(std::string_view host) const;

    // The same where they speak plain HTTP at an address that services share.
    const PublicService* find_http(std::string_view host) const;

    // Changes whenever a name, or a service, can be reached in another way.
    std::shared_ptr<const RoutesVersion> version() const { return version_; }

    void touch()
    {
        if (*version_ != routes_closed)
            version_->fetch_add(1, std::memory_order_release);
    }

    // Descriptors that are taken.
    std::size_t listeners() const { return all_.size(); }

    const std::vector<FrontPointer>& all() const { return all_; }

private:
    struct Place {
        ServicePointer service;
        FrontPointer own; // null: it shares those that stay
        bool is_open = false;
    };

    std::shared_ptr<RoutesVersion> version_ = std::make_shared<RoutesVersion>(1);

    bool has_open_service(const Front& front) const;
    const PublicService* find(Front::Kind kind, std::string_view host) const;
    std::vector<FrontPointer> fronts_of(const Place& place) const;
    void put(const Place& place);
    void remove(const Place& place, const PublicNames& names);

    asio::io_context& io_;
    const RemoteOptions& options_;
    const OnFront on_new_;
    const OnFront on_shut_;
    ListenHosts hosts_;
    GivenSockets given_;
    std::map<std::string, std::uint16_t> former_ports_; // by their use
    std::vector<FrontPointer> all_;
    std::map<tcp::endpoint, std::weak_ptr<Front>> shared_; // of tunnels
    std::map<std::uint64_t, Place> places_;                // by the services' numbers
};

} // namespace tunnel
