#include "remote-proxy/registry/registry.hpp"

#include <algorithm>
#include <utility>

namespace tunnel {

namespace {

// Of an origin proxy that was stopped to be started again.
constexpr Clock::duration time_of_restart = std::chrono::seconds(3);

void keep_earlier(std::optional<Clock::time_point>& time, std::optional<Clock::time_point> other)
{
    if (other && (!time || *other < *time))
        time = other;
}

std::string reason_of(const std::string& name, const Registry::Departure* departure)
{
    constexpr std::size_t longest_goodbye = 100;
    if (departure == nullptr)
        return name + " serves it no longer";
    if (!departure->goodbye.empty())
        return name + " has said goodbye: " + departure->goodbye.substr(0, longest_goodbye);
    return "the connection of " + name +
           (departure->closed_here ? " was closed here" : " was lost");
}

} // namespace

void Registry::change_rules(OfferRules rules)
{
    rules_ = std::move(rules);
    holders_.set_patience(rules_.probe_timeout);
}

void Registry::restore(SavedState saved)
{
    saved_ = std::move(saved);
    for (const auto& [name, service] : services_)
        service->drained = saved_.drained_services.contains(service->lasting_name());
}

std::optional<Effect> Registry::next_effect()
{
    if (effects_.empty())
        return std::nullopt;
    Effect effect = std::move(effects_.front());
    effects_.pop_front();
    return effect;
}

void Registry::consider_soon(const Contender& who)
{
    if (is_soon_.insert(who).second)
        soon_.push_back(who);
}

std::optional<Contender> Registry::take_considered()
{
    if (soon_.empty())
        return std::nullopt;
    Contender who = std::move(soon_.front());
    soon_.pop_front();
    is_soon_.erase(who);
    return who;
}

void Registry::consider_none()
{
    soon_.clear();
    is_soon_.clear();
}

// ---- Time

void Registry::note_deadline(std::optional<Clock::time_point> time)
{
    keep_earlier(new_, time);
}

std::optional<Clock::time_point> Registry::next_deadline() const
{
    std::optional<Clock::time_point> next = holders_.next();
    keep_earlier(next, services_.next_outage());
    return next;
}

std::vector<RegisteredServicePointer> Registry::outages_over(Clock::time_point now) const
{
    return services_.outages_over(now);
}

void Registry::end_outage(const RegisteredServicePointer& service, Clock::time_point now)
{
    services_.set_outage(service, std::nullopt);
    if (!service->owner || !service->links.empty())
        return;
    // Its name stays its own for longer than visitors wait; a port is worth more to others.
    const auto kept_until = service->deserted + rules_.names.kept_for;
    if (!service->has_address() && now < kept_until) {
        services_.set_outage(service, kept_until);
        note_deadline(kept_until);
    } else {
        close(service, "its origin proxy did not come back", now);
    }
}

void Registry::ask(std::uint64_t link, Clock::time_point now)
{
    if (find(link) == nullptr || !holders_.ask(link, now))
        return;
    want(effect::Ask{link, true});
    note_deadline(holders_.next());
}

void Registry::heard(std::uint64_t link, Clock::time_point now)
{
    if (!holders_.is_asked(link))
        return;
    for (const Contender& each : holders_.heard(link, now))
        consider_soon(each);
    want(effect::Ask{link, false});
    note_deadline(holders_.next());
}

void Registry::expire(Clock::time_point now, bool log_ins_wait)
{
    const Holders::Due due = holders_.due(now, log_ins_wait);
    for (const std::uint64_t link : due.silent) {
        const auto its = services_.served_by(link);
        want(effect::Drop{link, true});
        log_out(link, {}, now);
        // Its port is free at once for those who have waited, its name as if they had asked when it
        // went.
        for (const RegisteredServicePointer& service : its) {
            if (service->links.empty())
                service->deserted -= rules_.probe_timeout;
        }
    }
    for (const std::uint64_t link : due.unwanted)
        want(effect::Ask{link, false});
    for (const std::uint64_t link : due.to_ask)
        ask(link, now);
    for (const Contender& each : due.to_consider)
        consider_soon(each);
}

// ---- Origin proxies

RegisteredOrigin* Registry::find(std::uint64_t link)
{
    const auto found = origins_.find(link);
    return found == origins_.end() ? nullptr : &found->second;
}

void Registry::log_in(RegisteredOrigin origin)
{
    origin.drained = saved_.is_drained(*origin.name);
    const std::uint64_t link = origin.link;
    origins_.emplace(link, std::move(origin));
}

void Registry::log_out(std::uint64_t link, const Departure& departure, Clock::time_point now)
{
    const auto origin = origins_.extract(link);
    if (origin.empty())
        return;
    for (const RegisteredServicePointer& service : services_.served_by(link))
        detach(service, origin.mapped(), now, &departure);
    holders_.forget(link);
}

void Registry::withdraw(std::uint64_t link, const std::string& name, Clock::time_point now)
{
    RegisteredOrigin* const origin = find(link);
    if (origin == nullptr)
        return;
    const auto offered = origin->offers.find(name);
    const bool was_offered = offered != origin->offers.end();
    origin->unhealthy.erase(name);
    holders_.leave({link, name});
    if (!was_offered)
        return;
    origin->login_bytes -= size_of_logins(offered->second.http.logins);
    origin->offers.erase(offered);
    for (const RegisteredServicePointer& service : services_.served_by(link)) {
        if (service->options.offer() != name)
            continue;
        detach(service, *origin, now);
        if (service->owner)
            close(service, "withdrawn by its origin proxy", now);
    }
}

// Of a service that it offers or serves; what it says of others is nobody's concern.
void Registry::set_health(std::uint64_t link, const ServerHealth& health, Clock::time_point now)
{
    RegisteredOrigin* const origin = find(link);
    if (origin == nullptr)
        return;
    if (health.state != ServerState::well && health.state != ServerState::ill)
        return; // of a later version
    const bool is_healthy = health.state == ServerState::well;
    auto its = services_.served_by(link);
    std::erase_if(its,
                  [&health](const auto& each) { return each->options.offer() != health.service; });
    if (its.empty() && !origin->offers.contains(health.service))
        return;
    const bool is_news = is_healthy ? origin->unhealthy.erase(health.service) > 0
                                    : origin->unhealthy.insert(health.service).second;
    if (!is_news)
        return;
    for (RegisteredServicePointer& each : its)
        want(effect::Serve{std::move(each), link});
    want(effect::ReportHealth{link, health, report(origin->name->credential(), now)});
}

void Registry::set_drained(std::uint64_t link, bool drained, Clock::time_point now)
{
    RegisteredOrigin* const origin = find(link);
    if (origin == nullptr)
        return;
    origin->drained = drained;
    for (const RegisteredServicePointer& service : services_.served_by(link)) {
        service->is_served = has_taker(*service);
        if (service->is_served)
            continue;
        // Nobody is left, and nobody is waited for.
        services_.set_outage(service, now);
        note_deadline(now);
    }
}

// Of all who go by the name.
void Registry::consider_all(const std::string& client, const std::string& offer)
{
    for (const auto& [link, origin] : origins_) {
        if (origin.name->answers_to(client) && origin.offers.contains(offer))
            consider_soon({link, offer});
    }
}

// ---- Services

RegisteredServicePointer Registry::named_in_log_in(const std::string& name,
                                                   const std::string& credential) const
{
    RegisteredServicePointer service = services_.find(name);
    return service && !service->owner && service->allows(credential) ? service : nullptr;
}

bool Registry::must_open(const RegisteredService& service, std::uint64_t link) const
{
    return !is_stopping_ && !service.drained && !service.is_open && !origins_.at(link).drained;
}

bool Registry::has_taker(const RegisteredService& service) const
{
    return std::ranges::any_of(service.links,
                               [this](std::uint64_t link) { return !origins_.at(link).drained; });
}

RegisteredServicePointer Registry::add(RemoteService options, const tcp::endpoint& where,
                                       std::shared_ptr<const OriginName> owner,
                                       std::optional<PublicTunnel> tunnel)
{
    RegisteredServicePointer service =
        services_.add(std::move(options), where, std::move(owner), std::move(tunnel));
    service->drained = saved_.drained_services.contains(service->lasting_name());
    service->http = service->options.http;
    if (service->tunnel)
        consider_all(service->tunnel->client, service->tunnel->service);
    return service;
}

void Registry::attach(const RegisteredServicePointer& service, std::uint64_t link)
{
    services_.attach(service, link);
    settle_http(*service);
    service->is_served = has_taker(*service);
    begin_again(service, link);
}

// The first says what the options do not, so that nobody who comes later takes a login away. One
// that lets no others share its connections is enough: whose they are is not known before.
void Registry::settle_http(RegisteredService& service) const
{
    HttpSettings all = service.options.http;
    const auto fill_in = [&all](const HttpSettings& offered) {
        if (all.host_header.empty())
            all.host_header = offered.host_header;
        if (all.logins.empty())
            all.logins = offered.logins;
    };
    if (service.links.empty()) { // until somebody comes who says otherwise
        fill_in(service.http);
        all.shares_streams = service.http.shares_streams;
    } else {
        all.shares_streams = !service.options.wants_header;
    }
    for (const std::uint64_t link : service.links) {
        const auto& offers = origins_.at(link).offers;
        const auto offered = offers.find(service.options.offer());
        if (offered == offers.end()) {
            all.shares_streams = false;
            continue;
        }
        fill_in(offered->second.http);
        all.shares_streams = all.shares_streams && offered->second.http.shares_streams;
    }
    service.http = std::move(all);
}

void Registry::detach(const RegisteredServicePointer& service, const RegisteredOrigin& origin,
                      Clock::time_point now, const Departure* departure)
{
    services_.detach(service, origin.link);
    settle_http(*service);
    service->is_served = has_taker(*service);
    want(effect::Serve{service, origin.link});
    if (service->is_served)
        return;
    // One that has said goodbye is back soon, or has been stopped for good.
    const bool is_goodbye = departure != nullptr && !departure->goodbye.empty();
    const Clock::duration patience = rules_.pairing_timeout;
    service->absence = reason_of(origin.name->shown(), departure);
    services_.set_outage(service,
                         now + (is_goodbye ? std::min(patience, time_of_restart) : patience));
    note_deadline(*service->outage_ends);
    if (!service->links.empty())
        return;
    service->deserted = now;
    holders_.become_free(*service);
}

void Registry::close(const RegisteredServicePointer& service, std::string_view why,
                     Clock::time_point now, std::uint64_t knows)
{
    services_.remove(*service);
    service->is_open = false;
    const Report how = service->owner ? report(service->owner->credential(), now) : Report::line;
    const std::string& offer = service->options.offer();
    const std::vector<std::uint64_t> links = service->links;
    for (const std::uint64_t link : links) {
        services_.detach(service, link);
        RegisteredOrigin& origin = origins_.at(link);
        const auto offered = origin.offers.find(offer);
        if (service->tunnel) // it may have the same service still, elsewhere
            consider_soon({link, offer});
        else if (!origin.offers_services)
            want(effect::Drop{link, false});
        else if (link != knows && offered != origin.offers.end())
            tell(origin, offered->second, Declined{offer, DeclineReason::removed, std::string(why)},
                 false, now);
    }
    service->is_served = false;
    // The last, since those who are announced to one that is dismissed wait again.
    want(effect::Close{service, why, how});
    holders_.become_free(*service);
}

void Registry::change(const RegisteredServicePointer& service, RemoteService options,
                      Clock::time_point now, std::optional<PublicTunnel> tunnel)
{
    const std::string former = service->options.offer();
    if (service->options.names != options.names)
        services_.rename(service, options.names);
    service->options = std::move(options);
    settle_http(*service);
    if (!tunnel)
        return;
    const PublicTunnel& wanted = service->tunnel.emplace(std::move(*tunnel));
    const std::vector<std::uint64_t> links = service->links;
    for (const std::uint64_t link : links) {
        const RegisteredOrigin& origin = origins_.at(link);
        if (origin.name->answers_to(wanted.client) && former == wanted.service)
            continue;
        detach(service, origin, now);
        consider_soon({link, former});
    }
    consider_all(wanted.client, wanted.service);
}

void Registry::resume(const RegisteredServicePointer& service)
{
    service->drained = false;
    begin_again(service, 0);
}

void Registry::begin_again(const RegisteredServicePointer& service, std::uint64_t link)
{
    want(effect::Serve{service, link});
    if (!service->is_served)
        return;
    services_.set_outage(service, std::nullopt);
    service->absence.clear();
}

// ---- Telling

// Nothing, if that is what it was told last and it has not asked.
void Registry::tell(RegisteredOrigin& origin, RegisteredOrigin::Offered& offered, Frame frame,
                    bool asks, Clock::time_point now)
{
    std::string bytes = encode(frame);
    const bool is_news = bytes != offered.told;
    if (!is_news && !asks)
        return;
    auto* const no = std::get_if<Declined>(&frame);
    (no != nullptr ? no->number : std::get<Opened>(frame).number) = offered.number;
    Report how = Report::none;
    if (is_news) {
        how = report(origin.name->credential(), now);
        offered.told = std::move(bytes);
        offered.declined = no != nullptr ? std::optional(no->reason) : std::nullopt;
    }
    want(effect::Tell{origin.link, std::move(frame), how});
}

// It may offer, withdraw and offer again as fast as it likes.
Report Registry::report(const std::string& credential, Clock::time_point now)
{
    constexpr std::size_t most_remembered = 4096;
    const auto is_gone = [this](const auto& entry) {
        return std::ranges::none_of(origins_, [&entry](const auto& origin) {
            return origin.second.name->answers_to(entry.first);
        });
    };
    if (lines_.size() >= most_remembered && !lines_.contains(credential))
        std::erase_if(lines_, is_gone);
    return lines_[credential].take(now) ? Report::line : Report::count;
}

} // namespace tunnel
