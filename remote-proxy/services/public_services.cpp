#include "remote-proxy/services/public_services.hpp"

#include <algorithm>
#include <utility>

#include "common/base/counted.hpp"
#include "common/base/error.hpp"
#include "common/base/log.hpp"
#include "common/management/json_response.hpp"
#include "common/protocol/reason_codes.hpp"
#include "common/transport/socket.hpp"

namespace tunnel {

namespace {

std::vector<std::uint16_t> ports_in(const PortRanges& ranges)
{
    std::vector<std::uint16_t> ports;
    for (const PortRange& each : ranges) {
        for (unsigned port = each.first; port <= each.last; ++port)
            ports.push_back(static_cast<std::uint16_t>(port));
    }
    return ports;
}

// Some 49 bits, which nobody guesses, in letters and digits that cannot be taken for others.
std::string random_label()
{
    constexpr std::string_view characters = "abcdefghjkmnpqrstuvwxyz23456789";
    constexpr std::size_t size = 10;
    const RandomBytes random = random_bytes();
    std::string label;
    for (std::size_t i = 0; i < size; ++i)
        label += characters[random[i] % characters.size()];
    return label;
}

void log_tunnel(std::string_view what, const PublicTunnel& tunnel)
{
    log::info(what,
              {{"outside", tunnel.key()}, {"service", tunnel.service}, {"name", tunnel.client}});
}

} // namespace

std::vector<RemoteService> services_of(const RemoteOptions& options)
{
    std::vector<RemoteService> all = options.services;
    if (options.outside_address) {
        RemoteService only{std::string(default_service), *options.outside_address};
        only.rules = options.rules;
        only.is_exclusive = true;
        all.insert(all.begin(), std::move(only));
    }
    return all;
}

PublicServices::PublicServices(Uses uses)
    : options_(uses.options),
      trust_(uses.trust),
      capacity_(uses.capacity),
      links_(uses.links),
      visitors_(uses.visitors),
      fronts_(uses.fronts),
      tallies_(uses.tallies),
      alarm_(uses.alarm),
      events_(uses.events),
      tasks_(uses.tasks),
      answers_(registry_),
      holder_settled_(uses.io.get_executor())
{
    registry_.change_rules(offer_rules());
}

OfferRules PublicServices::offer_rules()
{
    OfferRules rules;
    rules.allow_ports = options_.allow_ports;
    rules.own_host = options_.outside_address.value_or(Address()).host;
    rules.own_address = fronts_.endpoint({rules.own_host, 0}).address();
    rules.trusts_anyone = trust_.trusts_anyone();
    rules.names.allow_hosts = options_.allow_hosts;
    rules.names.domain = options_.fronts.domain;
    rules.names.where = shared_address(ServiceKind::tls);
    rules.names.has_front = !options_.fronts.https.empty();
    rules.names.has_http_front = !options_.fronts.http.empty();
    rules.names.has_certificate = has_certificate_;
    rules.names.random_label = random_label;
    rules.names.former_host = [this](const std::string& service) {
        const auto found = former_hosts_.find(service);
        return found == former_hosts_.end() ? std::string() : found->second;
    };
    rules.names.kept_for = options_.pairing_timeout;
    rules.has_management = options_.common.management.address.has_value();
    rules.rules = options_.rules;
    rules.most_services = capacity_.services();
    rules.probe_timeout = options_.probe_timeout;
    rules.pairing_timeout = options_.pairing_timeout;
    rules.heartbeat_interval = options_.common.heartbeat_interval;
    return rules;
}

// ---- Services

RegisteredServicePointer PublicServices::registered(const std::string& name) const
{
    return registry_.services().find(name);
}

ServicePointer PublicServices::find(const RegisteredService& service) const
{
    const auto found = all_.find(service.number);
    return found == all_.end() ? nullptr : found->second;
}

void PublicServices::ask_for_certificates(
    std::function<bool(std::string_view host)> has_certificate)
{
    has_certificate_ = std::move(has_certificate);
    registry_.change_rules(offer_rules());
}

void PublicServices::prefer_hosts(std::map<std::string, std::string> hosts)
{
    former_hosts_ = std::move(hosts);
}

bool PublicServices::is_shared_address(const tcp::endpoint& where) const
{
    return std::ranges::any_of(fronts_.all(), [&where](const FrontPointer& each) {
        return each->kind != Front::Kind::own && overlap(each->listener.endpoint(), where);
    });
}

tcp::endpoint PublicServices::shared_address(ServiceKind kind) const
{
    const auto front = kind == ServiceKind::http ? Front::Kind::http : Front::Kind::tls;
    return fronts_.first(front).value_or(tcp::endpoint());
}

// Null: it shares those that stay. Throws std::system_error that names the address.
FrontPointer PublicServices::front_for(const RemoteService& service)
{
    const bool is_tunnel = service.names.given() && service.outside_address.port != 0;
    if (service.names.given() && !is_tunnel)
        return nullptr;
    return fronts_.listen(fronts_.endpoint(service.outside_address), !service.offered_as.empty());
}

void PublicServices::publish(const RegisteredServicePointer& service, const FrontPointer& front)
{
    const auto added = std::make_shared<PublicService>(service);
    added->visited->service = added;
    all_[added->number] = added;
    fronts_.add(added, front);
    capacity_.set_services(all_.size(), fronts_.listeners());
    if (added->options.is_http())
        capacity_.expect_http();
    if (events_.is_heard())
        events_.publish("service_opened", to_line(Json{{"service", added->visited->name}}));
}

void PublicServices::add(Wanted wanted)
{
    const FrontPointer front = front_for(wanted.options);
    add(std::move(wanted), front);
}

void PublicServices::add(Wanted wanted, const FrontPointer& front)
{
    if (wanted.tunnel)
        log_tunnel("tunnel opened", *wanted.tunnel);
    const tcp::endpoint where =
        front ? front->listener.endpoint() : shared_address(wanted.options.names.kind);
    publish(registry_.add(std::move(wanted.options), where, nullptr, std::move(wanted.tunnel)),
            front);
}

// The address of a tunnel stays open, and visitors who wait and were not announced to anybody yet
// are served as it says now.
void PublicServices::change(Wanted wanted)
{
    const RegisteredServicePointer service = registered(wanted.options.name);
    if (wanted.tunnel && *service->tunnel == *wanted.tunnel)
        return;
    if (wanted.tunnel)
        log_tunnel("tunnel changed", *wanted.tunnel);
    const ServicePointer its = find(*service);
    its->apply(wanted.options.rules);
    const PublicNames before = service->options.names;
    registry_.change(service, std::move(wanted.options), Clock::now(), std::move(wanted.tunnel));
    if (service->options.names != before)
        fronts_.rename(its, before);
}

std::vector<PublicServices::Missing> PublicServices::replace(ServiceSource source,
                                                             std::vector<Wanted> wanted)
{
    std::vector<WantedService> services;
    for (const auto& [options, tunnel] : wanted) {
        const bool is_shared = options.names.given() && !tunnel;
        services.push_back({options.name, options.outside_address,
                            is_shared ? tcp::endpoint() : fronts_.endpoint(options.outside_address),
                            options.origins, options.names, options.speaks_http});
    }
    const ServicePlan plan = plan_services(registry_.services().present(), source, services);
    std::vector<std::pair<std::size_t, FrontPointer>> coming;
    for (const std::size_t i : plan.at_once)
        coming.emplace_back(i, front_for(wanted[i].options));
    // From here on nothing fails but what was to be closed first.
    if (source == ServiceSource::management) {
        std::vector<PublicTunnel> tunnels;
        for (const Wanted& each : wanted)
            tunnels.push_back(each.tunnel.value());
        saved().set_tunnels(std::move(tunnels));
    }
    for (const ServicePlan::Closing& each : plan.closing) {
        const RegisteredServicePointer service = registered(each.name);
        if (source == ServiceSource::options && service->tunnel)
            saved().forget(*service->tunnel);
        registry_.close(service, each.why, Clock::now());
        perform_effects(); // of each, or those of all would stand in memory together
    }
    for (const std::size_t i : plan.staying)
        change(std::move(wanted[i]));
    for (const auto& [i, front] : coming)
        add(std::move(wanted[i]), front);
    std::vector<Missing> missing;
    for (const std::size_t i : plan.afterwards) {
        try {
            const FrontPointer front = front_for(wanted[i].options);
            add(std::move(wanted[i]), front);
        } catch (const std::system_error& error) {
            missing.push_back({services[i].name, error});
            if (const auto& tunnel = wanted[i].tunnel)
                saved().forget(*tunnel);
        }
    }
    perform_effects();
    return missing;
}

void PublicServices::change_rules(const ServiceRules& rules)
{
    for (const auto& [name, service] : registry_.services()) {
        if (service->source() == ServiceSource::options)
            continue;
        find(*service)->apply(rules);
        RemoteService changed = service->options;
        changed.rules = rules;
        registry_.change(service, std::move(changed), Clock::now());
    }
}

void PublicServices::set_drained(const RegisteredServicePointer& service, bool drained)
{
    const ServicePointer its = find(*service);
    if (drained) {
        fronts_.shut(*its, true);
        registry_.shut(*service);
        registry_.drain(*service);
        return;
    }
    if (service->is_served && !registry_.is_stopping()) {
        fronts_.open(*its);
        registry_.opened(*service);
    }
    registry_.resume(service);
    perform_effects();
}

void PublicServices::close_addresses()
{
    registry_.stop();
    fronts_.close_all();
}

// ---- Offers

void PublicServices::perform_effects()
{
    if (performing_ > 0) // what has been added to the list is done as well
        return;
    {
        const Counted counted(performing_);
        perform_all();
    }
    if (const auto deadline = registry_.take_new_deadline())
        alarm_.ring_by(*deadline);
    if (answers_.has_later() && !std::exchange(goes_on_, true))
        tasks_.spawn("considering offers", go_on_considering());
}

void PublicServices::perform_all()
{
    bool any = false;
    while (const auto effect = registry_.next_effect()) {
        std::visit([this](const auto& each) { perform(each); }, *effect);
        any = true;
    }
    if (any) // what holds for requests may be something else now
        fronts_.touch();
}

void PublicServices::consider_offers()
{
    do
        perform_effects();
    while (answers_.consider_next(Clock::now()));
}

void PublicServices::reconsider_offers()
{
    registry_.change_rules(offer_rules());
    answers_.reconsider_all();
    consider_some();
}

void PublicServices::consider_some()
{
    constexpr auto turn = std::chrono::microseconds(300);
    const auto end = Clock::now() + turn;
    while (Clock::now() < end && answers_.consider_later(Clock::now()))
        consider_offers();
    perform_effects();
}

awaitable<void> PublicServices::go_on_considering()
{
    while (answers_.has_later()) {
        co_await yield_to_others();
        consider_some();
    }
    goes_on_ = false;
}

// ---- Time

void PublicServices::expire(Clock::time_point now)
{
    // An address that nobody serves is refused by the kernel, but not given up, if the options name
    // it.
    for (const RegisteredServicePointer& each : registry_.outages_over(now)) {
        const ServicePointer service = find(*each);
        if (!service)
            continue;
        if (fronts_.is_open(*service))
            log::warn("no origin proxy came back: refusing visitors",
                      {{"outside", each->outside()}});
        fronts_.shut(*service, false);
        registry_.shut(*each);
        if (visitors_.end_waiting_for_deserted(*service)) // else the next turn goes on
            registry_.end_outage(each, now);
    }
    registry_.expire(now, waiting_log_ins_ > 0);
    consider_offers();
}

std::optional<Clock::time_point> PublicServices::next_deadline() const
{
    return registry_.next_deadline();
}

// ---- What the registry wants done

void PublicServices::perform(const effect::Listen& wanted)
{
    FrontPointer front;
    try {
        front = wanted.any_of.empty() ? fronts_.listen(wanted.where, false) : listen_at_any(wanted);
    } catch (const std::system_error& error) {
        return answers_.cannot_listen(error, Clock::now());
    }
    const auto service = answers_.listening(front->listener.endpoint(), Clock::now());
    if (!service)
        return;
    perform_all();
    publish(service, front);
    answers_.go_on(Clock::now());
}

void PublicServices::perform(const effect::Route& wanted)
{
    const auto service = answers_.listening(shared_address(wanted.kind), Clock::now());
    if (!service)
        return;
    perform_all();
    publish(service, nullptr);
    answers_.go_on(Clock::now());
}

// Throws what the last attempt has failed with.
FrontPointer PublicServices::listen_at_any(const effect::Listen& wanted)
{
    constexpr std::size_t most_tried = 256;
    const std::vector<std::uint16_t> ports = ports_in(wanted.any_of);
    const RandomBytes random = random_bytes();
    std::size_t start = random[0] << 8 | random[1];
    if (const auto former = fronts_.former_port(wanted.service)) {
        const auto found = std::ranges::find(ports, *former);
        start = found != ports.end() ? static_cast<std::size_t>(found - ports.begin()) : start;
    }
    for (std::size_t i = 0;; ++i) {
        try {
            return fronts_.listen({wanted.where.address(), ports[(start + i) % ports.size()]},
                                  false);
        } catch (const std::system_error&) {
            if (i + 1 >= std::min(ports.size(), most_tried))
                throw;
        }
    }
}

void PublicServices::perform(const effect::Open& wanted)
{
    RegisteredService& service = *wanted.service;
    try {
        fronts_.open(*find(service));
    } catch (const std::system_error& error) {
        if (service.tunnel)
            log::error("a tunnel cannot be opened",
                       {{"code", name_of(code_of(error.code()))}, {"reason", error.what()}});
        return answers_.cannot_listen(error, Clock::now());
    }
    answers_.opened(Clock::now());
}

void PublicServices::perform(const effect::Close& closed)
{
    const ServicePointer service = find(*closed.service);
    const std::string& name = service->visited->name;
    const auto& owner = closed.service->owner;
    if (!owner || is_line(closed.report, *owner, name))
        log::info("service closed", {{"service", name}, {"reason", closed.why}});
    service->retired = true;
    fronts_.close(*service);
    service->servers.clear();
    all_.erase(service->number);
    capacity_.set_services(all_.size(), fronts_.listeners());
    if (events_.is_heard())
        events_.publish("service_closed", to_line(Json{{"service", name}, {"reason", closed.why}}));
    visitors_.end_waiting_for_closed(*service, closed.why);
}

void PublicServices::perform(const effect::Serve& served)
{
    const RegisteredService& registered = *served.service;
    const ServicePointer service = find(registered);
    if (!service)
        return;
    OriginLink* const link = links_.find(served.link);
    if (link != nullptr && registered.is_served_by(served.link)) {
        PublicService::Server* server = service->server(link);
        if (server == nullptr)
            server = &service->servers.emplace_back(PublicService::Server{link});
        const auto& unhealthy = registry_.origins().at(served.link).unhealthy;
        const bool was_unhealthy =
            std::exchange(server->is_unhealthy, unhealthy.contains(registered.options.offer()));
        if (was_unhealthy && !server->is_unhealthy)
            server->refused.reset(); // it takes connections
    } else {
        std::erase_if(service->servers, [&served](const PublicService::Server& each) {
            return each.link->number == served.link;
        });
    }
    if (!registered.is_served)
        return;
    visitors_.announce(*service);
}

void PublicServices::perform(const effect::Tell& told)
{
    OriginLink* const link = links_.find(told.link);
    if (link == nullptr)
        return;
    link->connection.post(told.frame);
    if (const auto* const no = std::get_if<Declined>(&told.frame)) {
        if (is_line(told.report, *link->name, no->service))
            log::warn("declined a service", {{"service", no->service},
                                             log_name(*link),
                                             {"origin", link->address},
                                             {"code", name_of(code_of(no->reason))},
                                             {"reason", no->text}});
    } else if (const auto* const yes = std::get_if<Opened>(&told.frame)) {
        if (is_line(told.report, *link->name, yes->service))
            log::info("service opened", {{"service", yes->service},
                                         {"outside", yes->outside_address},
                                         log_name(*link),
                                         {"origin", link->address}});
    }
}

void PublicServices::perform(const effect::ReportHealth& news)
{
    OriginLink* const link = links_.find(news.link);
    const auto& [service, state, text] = news.health;
    if (link == nullptr || !is_line(news.report, *link->name, service))
        return;
    if (state == ServerState::ill)
        log::warn(
            "an origin server is unhealthy",
            {{"service", service}, log_name(*link), {"origin", link->address}, {"reason", text}});
    else
        log::info("an origin server is healthy again",
                  {{"service", service}, log_name(*link), {"origin", link->address}});
}

void PublicServices::perform(const effect::Ask& asked)
{
    if (OriginLink* const link = links_.find(asked.link)) {
        link->is_asked = asked.is_wanted;
        if (asked.is_wanted)
            link->connection.post(Probe());
    }
    if (!asked.is_wanted)
        holder_settled_.notify();
}

void PublicServices::perform(const effect::Drop& dropped)
{
    OriginLink* const link = links_.find(dropped.link);
    if (link == nullptr)
        return;
    if (dropped.is_silent)
        link->connection.end(make_error_code(Errc::heartbeat_timeout),
                             "it does not answer, and another origin proxy asks for its place");
    else
        link->connection.finish({Code::service_closed, "its service is gone"});
    drop(*link);
}

void PublicServices::perform(const effect::ReportNotServed& tunnel)
{
    if (const OriginLink* const link = links_.find(tunnel.link))
        log::error(
            "a tunnel is not served",
            {{"outside", tunnel.service->options.name}, log_name(*link), {"reason", tunnel.why}});
}

bool PublicServices::is_line(Report report, const OriginName& origin, const std::string& service)
{
    if (report == Report::count)
        tallies_.count(tallies_.restless, origin.credential(), service);
    return report == Report::line;
}

// ---- Origin proxies

void PublicServices::log_in(OriginLink& link)
{
    links_.add(link);
    link.drained = saved().is_drained(*link.name);
    registry_.log_in({link.number, link.name, link.identity.name, link.address,
                      link.offers_services, link.sends_headers});
}

void PublicServices::attach(const RegisteredService& service, const OriginLink& link)
{
    const RegisteredServicePointer its = registered(service.options.name);
    if (registry_.must_open(*its, link.number)) {
        fronts_.open(*find(*its));
        registry_.opened(*its);
    }
    registry_.attach(its, link.number);
    perform_effects();
}

// The visitors who wait keep their places for whoever else serves them, now or later.
void PublicServices::drop(OriginLink& link)
{
    if (std::exchange(link.is_lost, true))
        return;
    links_.remove(link);
    link.parked.clear();
    link.is_asked = false;
    visitors_.revoke(link);
    registry_.log_out(link.number, {link.goodbye.text, !link.connection.farewell().empty()},
                      Clock::now());
    perform_effects();
    holder_settled_.notify();
    visitors_.left().notify(); // the end of the program waits for the link's end too
}

void PublicServices::on_frame(OriginLink& link, const Frame& frame)
{
    const auto now = Clock::now();
    if (link.is_asked)
        registry_.heard(link.number, now);
    if (const auto* const offer = std::get_if<Offer>(&frame))
        answers_.offer(link.number, *offer, now);
    else if (const auto* const withdrawn = std::get_if<Withdraw>(&frame))
        registry_.withdraw(link.number, withdrawn->service, now);
    else if (const auto* const health = std::get_if<ServerHealth>(&frame))
        registry_.set_health(link.number, *health, now);
    consider_offers();
}

void PublicServices::listen_again(const OriginLink& link)
{
    answers_.listen_again(link.number, Clock::now());
    consider_offers();
}

void PublicServices::set_drained(OriginLink& link, bool drained)
{
    if (std::exchange(link.drained, drained) == drained)
        return;
    log::info(drained ? "origin proxy drained" : "origin proxy resumed", {log_name(link)});
    registry_.set_drained(link.number, drained, Clock::now());
    perform_effects();
    fronts_.touch(); // the next requests of its visitors go to others
    if (drained)
        return;
    for (const RegisteredServicePointer& service : registry_.services().served_by(link.number)) {
        try {
            attach(*service, link);
        } catch (const std::system_error& error) {
            log::error("a service cannot be opened again",
                       {{"service", service->options.name},
                        {"code", name_of(code_of(error.code()))},
                        {"reason", error.what()}});
        }
    }
}

std::size_t PublicServices::meet_twins(const Identity& identity)
{
    constexpr std::size_t most_asked_at_once = 8;
    const OriginName name(identity.name, identity.is_only, identity.own_name);
    const std::vector<OriginLink*> twins = links_.alike(name);
    for (std::size_t i = 0; i < std::min(twins.size(), most_asked_at_once); ++i)
        registry_.ask(twins[i]->number, Clock::now());
    perform_effects();
    std::vector<std::size_t> taken;
    for (const OriginLink* const twin : twins)
        taken.push_back(twin->name->number());
    std::ranges::sort(taken);
    std::size_t free = 1;
    for (const std::size_t each : taken)
        free += each == free ? 1 : 0;
    return free;
}

bool PublicServices::may_wait() const
{
    constexpr std::size_t most_waiting = 16;
    return waiting_log_ins_ < most_waiting;
}

awaitable<bool> PublicServices::has_answered(std::uint64_t number)
{
    const Counted counted(waiting_log_ins_);
    registry_.ask(number, Clock::now());
    perform_effects();
    const OriginLink* const asked = links_.find(number);
    const std::uint64_t received = asked != nullptr ? asked->connection.received() : 0;
    const auto is_silent = [this, number, received] {
        const OriginLink* const link = links_.find(number);
        return link != nullptr && link->is_asked && link->connection.received() == received;
    };
    while (is_silent())
        co_await holder_settled_.wait();
    co_return links_.find(number) != nullptr;
}

} // namespace tunnel
