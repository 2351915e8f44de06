// What the management interface changes at the remote proxy while it runs.
#include "remote-proxy/remote_proxy.hpp"

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <ranges>
#include <utility>

#include <fmt/format.h>

#include "common/error.hpp"
#include "common/log.hpp"
#include "common/net/socket.hpp"
#include "remote-proxy/client_identifier.hpp"

namespace tunnel {

namespace {

Address address_of(const PublicTunnel& tunnel)
{
    return {tunnel.listen_address.to_string(), tunnel.listen_port};
}

// Of those that are drained: a state file takes no more.
void must_have_room(const std::set<std::string>& names)
{
    if (names.size() >= most_drained)
        throw SteeringError(507, fmt::format("{} are drained already, also some that are gone: "
                                             "resume those that are not wanted any more",
                                             names.size()));
}

// Whatever is thrown until then.
template <class Offers>
struct EndOfPostponing {
    std::optional<Offers>& offers;

    ~EndOfPostponing() { offers.reset(); }
};

template <class Offers>
EndOfPostponing(std::optional<Offers>&) -> EndOfPostponing<Offers>;

// In threshold's words, as far as it has some.
[[noreturn]] void cannot_listen(const std::system_error& error,
                                SteeringError::Rest rest = SteeringError::Rest::unchanged)
{
    std::string why = error.what();
    if (rest == SteeringError::Rest::done)
        why += "; what was at an address that overlaps is closed, and all others of the list hold";
    if (error.code() == asio::error::address_in_use)
        throw SteeringError(409, why, rest);
    if (error.code().value() == EACCES)
        throw SteeringError(403,
                            why + ": start the remote proxy with the right to such ports "
                                  "(CAP_NET_BIND_SERVICE), or lower "
                                  "net.ipv4.ip_unprivileged_port_start",
                            rest);
    if (error.code().value() == EADDRNOTAVAIL) // which asio has no name for
        throw SteeringError(400, why, rest);
    throw SteeringError(500, why, rest);
}

} // namespace

// ---- Tunnels

RemoteService RemoteProxy::options_of(const PublicTunnel& tunnel) const
{
    RemoteService service{tunnel.key(), address_of(tunnel)};
    service.rules = options_.rules;
    service.origins = {tunnel.client};
    service.offered_as = tunnel.service;
    service.wants_header = tunnel.proxy_protocol;
    return service;
}

// What can be said before anything is tried. Throws SteeringError.
void RemoteProxy::must_fit(const std::vector<PublicTunnel>& wanted) const
{
    for (const PublicTunnel& each : wanted) {
        for (const auto& [name, service] : services_) {
            if (!service->tunnel && overlap(service->outside.endpoint(), each.endpoint()))
                throw SteeringError(
                    409, fmt::format("{} is the address of the service \"{}\", which {}; that can "
                                     "be drained, but not be given another meaning here",
                                     each.key(), name,
                                     service->owner ? "an origin proxy has opened"
                                                    : "the options name"));
        }
        if (std::ranges::find(kept_.tunnels, each) != kept_.tunnels.end())
            continue; // its origin proxy may be away
        const std::vector<OriginLink*> links = origins_named(each.client);
        if (links.empty())
            throw SteeringError(
                404, fmt::format("the client \"{}\" is {}", log::escape(each.client),
                                 clients_.contains(std::string(client_identifier(each.client)))
                                     ? "not connected"
                                     : "not known"));
        if (std::ranges::none_of(links, &OriginLink::offers_services))
            throw SteeringError(
                409, fmt::format("the client \"{}\" has no service with a name: start it with "
                                 "--service NAME=ADDRESS",
                                 log::escape(each.client)));
        if (each.proxy_protocol && std::ranges::none_of(links, &OriginLink::sends_headers))
            throw SteeringError(501, fmt::format("the client \"{}\" is too old to send a header of "
                                                 "the PROXY protocol because it is asked for one "
                                                 "here: give its own service --proxy-protocol",
                                                 log::escape(each.client)));
    }
    const auto staying = static_cast<std::size_t>(
        std::ranges::count_if(services_, [](const auto& entry) { return !entry.second->tunnel; }));
    if (!wanted.empty() && staying + wanted.size() > most_services())
        throw SteeringError(507, "there are too few descriptors for so many: raise the remote "
                                 "proxy's limit of them");
}

void RemoteProxy::set_tunnels(const std::vector<PublicTunnel>& wanted)
{
    if (stopping_)
        throw SteeringError(503, "shutting down");
    must_fit(wanted);
    std::set<std::string> keys;
    for (const PublicTunnel& each : wanted)
        keys.insert(each.key());
    std::vector<ServicePointer> leaving;
    for (const auto& [name, service] : services_) {
        if (service->tunnel && !keys.contains(name))
            leaving.push_back(service);
    }
    // One that overlaps with one that goes, such as all addresses' with one of them, can be had
    // only afterwards.
    std::set<std::uint16_t> all_addresses; // ports at which one that goes has all of them
    std::set<std::uint16_t> any_address;
    for (const ServicePointer& service : leaving) {
        const tcp::endpoint where = service->outside.endpoint();
        any_address.insert(where.port());
        if (where.address().is_unspecified())
            all_addresses.insert(where.port());
    }
    // None has the very same address, or it would not go. So mostly there is nothing to look for.
    const auto is_held = [&](const PublicTunnel& tunnel) {
        const bool may_be = tunnel.listen_address.is_unspecified()
                                ? any_address.contains(tunnel.listen_port)
                                : all_addresses.contains(tunnel.listen_port);
        return may_be && std::ranges::any_of(leaving, [&tunnel](const ServicePointer& service) {
                   return overlap(service->outside.endpoint(), tunnel.endpoint());
               });
    };
    std::vector<std::pair<PublicTunnel, Listener>> coming;
    std::vector<PublicTunnel> late;
    try {
        for (const PublicTunnel& each : wanted) {
            if (services_.contains(each.key()))
                continue;
            if (is_held(each))
                late.push_back(each);
            else
                coming.emplace_back(each, listen(address_of(each)));
        }
    } catch (const std::system_error& error) {
        cannot_listen(error);
    }
    for (const PublicTunnel& each : std::exchange(kept_.tunnels, wanted)) {
        if (!keys.contains(each.key())) // also one that could not be opened
            kept_.drained_services.erase(each.key());
    }
    postponed_offers_.emplace();
    const EndOfPostponing end_of_postponing{postponed_offers_};
    for (const ServicePointer& service : leaving)
        retire(service, closed_by_management);
    for (auto& [tunnel, listener] : coming)
        open_tunnel(tunnel, std::move(listener));
    for (const PublicTunnel& each : wanted) {
        const auto found = services_.find(each.key());
        if (found != services_.end() && *found->second->tunnel != each)
            change_tunnel(found->second, each);
    }
    std::optional<std::system_error> failure;
    for (const PublicTunnel& each : late) {
        try {
            open_tunnel(each, listen(address_of(each)));
        } catch (const std::system_error& error) {
            failure = error;
            forget(each);
        }
    }
    consider_postponed();
    if (failure)
        cannot_listen(*failure, SteeringError::Rest::done);
}

void RemoteProxy::consider_postponed()
{
    const auto postponed = std::exchange(postponed_offers_, std::nullopt);
    if (!postponed)
        return;
    for (const auto& [link, name] : *postponed) {
        const bool is_here = std::ranges::find(links_, link) != links_.end();
        if (is_here && link->offers.contains(name))
            consider(*link, name);
    }
}

void RemoteProxy::open_tunnel(const PublicTunnel& tunnel, Listener listener)
{
    const auto service = add_service(options_of(tunnel), std::move(listener), nullptr);
    service->tunnel = tunnel;
    log::info("tunnel opened",
              {{"outside", tunnel.key()}, {"service", tunnel.service}, {"name", tunnel.client}});
    consider_all(tunnel.client, tunnel.service);
}

// The address stays open, and whoever has come and was not told of to anybody yet is served as it
// says now.
void RemoteProxy::change_tunnel(const ServicePointer& service, const PublicTunnel& wanted)
{
    const std::string former = service->options.offer();
    service->tunnel = wanted;
    service->change(options_of(wanted));
    log::info("tunnel changed",
              {{"outside", wanted.key()}, {"service", wanted.service}, {"name", wanted.client}});
    std::vector<OriginLink*> links;
    for (const PublicService::Server& server : service->servers)
        links.push_back(server.link);
    for (OriginLink* const link : links) {
        if (link->name->answers_to(wanted.client) && former == wanted.service)
            continue;
        leave(*service, *link);
        if (link->offers.contains(former))
            consider(*link, former);
    }
    consider_all(wanted.client, wanted.service);
}

// Lets an origin proxy serve the tunnels that are meant for it. Where the first of them is;
// nullopt: there is none, or somebody has it, and then that is in `contested`.
std::optional<std::string> RemoteProxy::serve_tunnels(OriginLink& link, const std::string& name,
                                                      std::optional<Contested>& contested)
{
    std::optional<std::string> where;
    std::vector<ServicePointer> its;
    for (const auto& [key, service] : services_) {
        if (service->tunnel && service->tunnel->service == name &&
            link.name->answers_to(service->tunnel->client))
            its.push_back(service);
    }
    for (const ServicePointer& service : its) {
        if (service->options.wants_header && !link.sends_headers) { // it was another program before
            log::error("a tunnel is not served: its origin proxy is too old to send the header "
                       "that is wanted",
                       {{"outside", *service->name}, log_name(link)});
            continue;
        }
        const bool is_anybody = link.identity.is_anybody();
        if (const OriginLink* const holder = service->holder_before(&link, is_anybody)) {
            contested = Contested{thing_of_name(*service), holder->number, std::nullopt,
                                  in_use(*service, *holder, link.identity)};
            continue;
        }
        try {
            serve(*service, link);
            if (!where)
                where = to_string(service->outside.endpoint());
        } catch (const std::system_error& error) {
            log::error("a tunnel cannot be opened", {{"reason", error.what()}});
        }
    }
    return where;
}

// What the options name has its address before all tunnels.
bool RemoteProxy::gives_way(const PublicService& service,
                            const std::vector<tcp::endpoint>& wanted) const
{
    return service.tunnel && std::ranges::any_of(wanted, [&service](const tcp::endpoint& each) {
               return overlap(service.outside.endpoint(), each);
           });
}

// It is wanted no more, and what was said of it does not hold for the next at its address.
void RemoteProxy::forget(const PublicTunnel& tunnel)
{
    kept_.drained_services.erase(tunnel.key());
    std::erase(kept_.tunnels, PublicTunnel(tunnel)); // it may be one of these
}

// Each takes a descriptor, and most of those are for visitors.
std::size_t RemoteProxy::most_services() const
{
    return usable_descriptors() / 4;
}

// Of those that are wanted.
void RemoteProxy::open_missing_tunnels()
{
    for (const PublicTunnel& each : kept_.tunnels) {
        if (services_.contains(each.key()))
            continue;
        if (services_.size() >= most_services()) {
            count(missing_tunnels_, each.key(), "there are too few descriptors");
            return;
        }
        try {
            open_tunnel(each, listen(address_of(each)));
        } catch (const std::system_error& error) {
            count(missing_tunnels_, each.key(), error.what());
        }
    }
}

void RemoteProxy::restore(Kept kept)
{
    kept_ = std::move(kept);
    for (const auto& [name, service] : services_) {
        service->drained = kept_.drained_services.contains(service->lasting_name());
        const std::vector<PublicTunnel> all = kept_.tunnels;
        for (const PublicTunnel& each : all) {
            if (!overlap(each.endpoint(), service->outside.endpoint()))
                continue;
            log::warn("a tunnel gives way to a service of the options",
                      {{"outside", each.key()}, {"service", name}});
            forget(each);
        }
    }
    open_missing_tunnels();
}

// ---- Services

std::optional<std::string> RemoteProxy::service_meant(const std::string& name) const
{
    if (services_.contains(name))
        return name;
    std::optional<std::string> meant;
    for (const auto& [key, service] : services_) {
        if (!service->owner)
            continue;
        if (service->lasting_name() == name)
            return key;
        if (service->options.offer() == name && std::exchange(meant, key))
            return std::nullopt;
    }
    return meant;
}

RemoteProxy::ServicePointer RemoteProxy::service_named(const std::string& name) const
{
    const auto meant = service_meant(name);
    if (!meant)
        throw SteeringError(404, fmt::format("there is no service \"{}\"", log::escape(name)));
    return services_.at(*meant);
}

// Of one that is gone and may come back. Whether there was such a name.
bool RemoteProxy::forget_drained(const std::string& name)
{
    auto& drained = kept_.drained_services;
    if (drained.erase(name) > 0)
        return true;
    const bool is_here = std::ranges::any_of(services_, [&name](const auto& entry) {
        return entry.second->owner && entry.second->options.offer() == name;
    });
    const auto is_meant = [end = '/' + name](const std::string& each) {
        return each.ends_with(end);
    };
    if (is_here || std::ranges::count_if(drained, is_meant) != 1)
        return false;
    std::erase_if(drained, is_meant);
    return true;
}

void RemoteProxy::drain_service(const std::string& name, bool drained)
{
    if (!drained && !service_meant(name) && forget_drained(name))
        return;
    const ServicePointer service = service_named(name);
    if (service->drained == drained)
        return;
    if (drained)
        must_have_room(kept_.drained_services);
    const std::string lasting = service->lasting_name();
    if (!drained && service->is_served() && !stopping_) {
        try {
            service->outside.open();
        } catch (const std::system_error& error) {
            cannot_listen(error);
        }
    }
    service->drained = drained;
    log::info(drained ? "service drained" : "service resumed", {{"service", *service->name}});
    if (!drained) {
        kept_.drained_services.erase(lasting);
        begin_again(*service);
        return;
    }
    kept_.drained_services.insert(lasting);
    // Whoever has connected already came before.
    std::error_code error;
    for (int i = 0; i < SOMAXCONN && service->outside.is_open() &&
                    (!error || concerns_one_connection(error)) && visitors() < visitor_capacity();
         ++i) {
        error.clear();
        if (auto accepted = service->outside.accept(error))
            welcome(service, std::move(*accepted));
    }
    service->outside.shut();
}

void RemoteProxy::close_service(const std::string& meant)
{
    const std::string name = service_meant(meant).value_or(meant);
    const auto is_its = [&name](const Visitor& visitor) { return *visitor.service_name == name; };
    // Visitors may have stayed of one that is gone.
    const bool is_left = std::ranges::any_of(
        relayed_, [&is_its](const auto& entry) { return is_its(entry.second->visitor); });
    if (services_.contains(name) || !is_left)
        drain_service(name, true);
    end_relayed(is_its);
    dismiss_waiting(is_its, closed_by_management);
}

// ---- Origin proxies

std::vector<OriginLink*> RemoteProxy::origins_named(std::string_view name) const
{
    std::vector<OriginLink*> found;
    std::ranges::copy_if(links_, std::back_inserter(found),
                         [name](const OriginLink* link) { return link->name->answers_to(name); });
    return found;
}

OriginLink* RemoteProxy::origin_named(std::string_view name) const
{
    const auto found = std::ranges::find_if(
        links_, [name](const OriginLink* link) { return link->name->answers_to(name); });
    return found == links_.end() ? nullptr : *found;
}

// Whether it was said of it, of its machine or of its credential.
bool RemoteProxy::is_drained(const OriginName& origin) const
{
    return std::ranges::any_of(kept_.drained_origins,
                               [&](const auto& name) { return origin.answers_to(name); });
}

// All who offer it and go by this name.
void RemoteProxy::consider_all(const std::string& client, const std::string& service)
{
    for (OriginLink* const link : origins_named(client)) {
        if (link->offers.contains(service))
            consider(*link, service);
    }
}

void RemoteProxy::drain_origin(const std::string& name, bool drained)
{
    const std::vector<OriginLink*> links = origins_named(name);
    if (links.empty() && !(!drained && kept_.drained_origins.contains(name)))
        throw SteeringError(404, fmt::format("there is no origin proxy \"{}\"", log::escape(name)));
    if (drained) {
        if (!kept_.drained_origins.contains(name))
            must_have_room(kept_.drained_origins);
        kept_.drained_origins.insert(name);
    } else {
        resume_origins(name, links);
    }
    for (OriginLink* const link : links) {
        if (std::exchange(link->drained, drained) != drained)
            apply_drain(*link);
    }
}

// What was said of some of those that go by the name ends with it. One of which it was said by a
// name that others go by too stays as it is.
void RemoteProxy::resume_origins(const std::string& name, const std::vector<OriginLink*>& links)
{
    for (const OriginLink* const link : links) {
        const OriginName& origin = *link->name;
        for (const std::string& wider : {origin.identity(), origin.credential()}) {
            const bool is_wider =
                wider != name && (name == origin.shown() ||
                                  (name == origin.identity() && wider == origin.credential()));
            if (is_wider && kept_.drained_origins.contains(wider))
                throw SteeringError(
                    409, fmt::format("all of \"{}\" are drained: resume that", log::escape(wider)));
        }
    }
    kept_.drained_origins.erase(name);
    std::erase_if(kept_.drained_origins, [prefix = name + '/'](const std::string& each) {
        return each.starts_with(prefix);
    });
    for (const OriginLink* const link : links) {
        kept_.drained_origins.erase(link->name->shown());
        kept_.drained_origins.erase(link->name->identity());
        // NAME and NAME@DOMAIN of a certificate mean the same.
        const std::string credential = link->name->credential();
        const std::string client(client_identifier(credential));
        if (name == credential || name == client) {
            kept_.drained_origins.erase(credential);
            kept_.drained_origins.erase(client);
        }
    }
}

void RemoteProxy::apply_drain(OriginLink& link)
{
    log::info(link.drained ? "origin proxy drained" : "origin proxy resumed", {log_name(link)});
    for (const ServicePointer& service : served_by(link)) {
        try {
            if (!link.drained) {
                serve(*service, link);
            } else if (!service->is_served()) { // nobody is left, and nobody is waited for
                service->outage_ends = Clock::now();
                be_woken_at(*service->outage_ends);
            }
        } catch (const std::system_error& error) {
            log::error("a service cannot be opened again",
                       {{"service", *service->name}, {"reason", error.what()}});
        }
    }
}

void RemoteProxy::close_origin(const std::string& name)
{
    const std::vector<OriginLink*> links = origins_named(name);
    if (links.empty())
        throw SteeringError(404, fmt::format("there is no origin proxy \"{}\"", log::escape(name)));
    for (OriginLink* const link : links) {
        link->connection.finish(std::string(closed_by_management));
        const std::uint64_t number = link->number;
        lose(*link);
        for (Visitor& visitor : room_.dismiss_claimed(number)) // its data connection is there
            turn_away(std::move(visitor), closed_by_management);
    }
    end_relayed([&name](const Visitor& visitor) {
        return visitor.origin_name && visitor.origin_name->answers_to(name);
    });
}

// By its credential: that is how whoever sets tunnels knows it.
void RemoteProxy::note_client(const OriginName& origin)
{
    constexpr std::size_t most_clients = 4096;
    const bool is_here = origin_named(origin.credential()) != nullptr;
    Client& client = clients_[std::string(client_identifier(origin.credential()))];
    client.has_left = client.has_left || (client.is_here && !is_here);
    client.is_here = is_here;
    if (clients_.size() > most_clients)
        std::erase_if(clients_, [](const auto& entry) { return !entry.second.is_here; });
}

// ---- Visitors

void RemoteProxy::close_visitor(std::uint64_t id)
{
    const auto is_it = [id](const Visitor& visitor) { return visitor.id == id; };
    if (relayed_.contains(id)) {
        end_relayed(is_it);
        return;
    }
    const std::size_t before = room_.size();
    dismiss_waiting(is_it, closed_by_management);
    if (room_.size() == before)
        throw SteeringError(404, fmt::format("there is no visitor {}", id));
}

void RemoteProxy::end_relayed(const std::function<bool(const Visitor&)>& which)
{
    bool any = false;
    for (const auto& [id, relayed] : relayed_) {
        if (which(relayed->visitor)) {
            relayed->view.unwanted = true;
            any = true;
        }
    }
    if (any)
        relay_.end_unwanted();
}

void RemoteProxy::dismiss_waiting(const std::function<bool(const Visitor&)>& which,
                                  std::string_view why)
{
    for (Visitor& visitor : room_.dismiss_if(which))
        turn_away(std::move(visitor), why);
}

std::vector<VisitorStatus> RemoteProxy::visitors_after(std::uint64_t after, std::size_t limit,
                                                       const VisitorFilter& filter) const
{
    const auto now = Clock::now();
    std::vector<VisitorStatus> found;
    std::optional<std::string> wanted;
    if (filter.service)
        wanted = service_meant(*filter.service).value_or(*filter.service);
    const auto look = [&](const Visitor& visitor, const PairView* view) {
        const std::string_view origin =
            visitor.origin_name ? std::string_view(visitor.origin_name->shown()) : "";
        if (visitor.id <= after || (wanted && *wanted != *visitor.service_name))
            return;
        if (filter.origin &&
            !(visitor.origin_name && visitor.origin_name->answers_to(*filter.origin)))
            return;
        VisitorStatus& status = found.emplace_back(
            VisitorStatus{visitor.id, visitor.address, *visitor.service_name, std::string(origin)});
        status.age = now - visitor.arrived;
        if (view == nullptr)
            return;
        status.is_relayed = true;
        status.to_origin = view->first_to_second.load(std::memory_order_relaxed);
        status.to_visitor = view->second_to_first.load(std::memory_order_relaxed);
    };
    room_.for_each([&look](const Visitor& visitor) { look(visitor, nullptr); });
    const std::size_t waiting = found.size();
    for (auto next = relayed_.upper_bound(after);
         next != relayed_.end() && found.size() < waiting + limit; ++next)
        look(next->second->visitor, &next->second->view);
    std::ranges::sort(found, {}, &VisitorStatus::id);
    if (found.size() > limit)
        found.resize(limit);
    return found;
}

} // namespace tunnel
