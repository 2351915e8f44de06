#include "remote-proxy/services/service_offers.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "common/base/error.hpp"
#include "common/base/log.hpp"
#include "common/options/key_names.hpp"
#include "common/protocol/reason_codes.hpp"
#include "common/transport/socket.hpp"

namespace tunnel {

namespace {

// Of one origin proxy, whatever becomes of them: each takes memory here.
constexpr std::size_t most_offers = 1000;

// Ports that are tried for one that wants any.
constexpr std::size_t most_ports_tried = 256;

bool is_wildcard(const std::string& host)
{
    return host.empty() || host == "0.0.0.0" || host == "::";
}

Declined declined(const std::string& name, DeclineReason reason, std::string text)
{
    return {name, reason, std::move(text)};
}

// The same, an opened or a declined, about the offer of this number.
Frame about(std::uint64_t number, Frame frame)
{
    if (auto* const yes = std::get_if<Opened>(&frame))
        yes->number = number;
    else if (auto* const no = std::get_if<Declined>(&frame))
        no->number = number;
    return frame;
}

std::string to_text(const PortRanges& ranges)
{
    std::string text;
    for (const PortRange& each : ranges) {
        text += text.empty() ? "" : ", ";
        text += each.first == each.last ? std::to_string(each.first)
                                        : fmt::format("{}-{}", each.first, each.last);
    }
    return text;
}

std::vector<std::uint16_t> ports_in(const PortRanges& ranges)
{
    std::vector<std::uint16_t> ports;
    for (const PortRange& each : ranges) {
        for (unsigned port = each.first; port <= each.last; ++port)
            ports.push_back(static_cast<std::uint16_t>(port));
    }
    return ports;
}

} // namespace

ServiceOffers::ServiceOffers(Uses uses)
    : options_(uses.options),
      trust_(uses.trust),
      capacity_(uses.capacity),
      links_(uses.links),
      table_(uses.table),
      services_(table_.all()),
      visitors_(uses.visitors),
      tallies_(uses.tallies),
      tasks_(uses.tasks),
      holders_({uses.io, uses.options, uses.links, uses.alarm, uses.tasks},
               {[this](const Contender& contender) { reconsider(contender); },
                [this](OriginLink& link) { drop_silent(link); }})
{
}

void ServiceOffers::on_offer(OriginLink& link, const Offer& offer)
{
    if (!link.offers_services)
        return;
    if (!link.offers.contains(offer.service) && link.offers.size() >= most_offers) {
        Declined no = declined(offer.service, DeclineReason::too_many,
                               fmt::format("an origin proxy may offer {} services", most_offers));
        no.number = offer.number;
        link.connection.post(no);
        return;
    }
    OriginLink::Offered& offered = link.offers[offer.service];
    offered.outside_address = offer.outside_address;
    offered.number = offer.number;
    consider(link, offer.service, true);
}

void ServiceOffers::withdraw(OriginLink& link, const std::string& name)
{
    const bool was_offered = link.offers.erase(name) > 0;
    link.ill.erase(name);
    holders_.leave({link.number, name});
    if (!was_offered) // looking for it would cost as much as there are services
        return;
    for (const ServicePointer& service : table_.served_by(link)) {
        if (service->options.offer() != name)
            continue;
        detach(*service, link);
        if (service->owner)
            retire(service, "withdrawn by its origin proxy");
    }
}

void ServiceOffers::consider(OriginLink& link, const std::string& name, bool asked)
{
    if (postponed_offers_ && !asked) {
        postponed_offers_->emplace(&link, name);
        return;
    }
    OriginLink::Offered& offered = link.offers.at(name);
    Verdict verdict;
    try {
        verdict = answer(link, name, offered.outside_address);
    } catch (const std::system_error& error) {
        const bool too_many = error.code() == std::errc::too_many_files_open;
        verdict = declined(name, too_many ? DeclineReason::too_many : DeclineReason::cannot_listen,
                           error.what());
    }
    const Contender contender{link.number, name};
    if (const auto* const contested = std::get_if<Contested>(&verdict)) {
        if (holders_.must_wait(contender, *contested))
            return; // it is answered when it is known whether the holder is still there
        verdict = declined(name, DeclineReason::in_use, contested->words);
    } else {
        holders_.leave(contender);
    }
    const Frame& frame = std::get<Frame>(verdict);
    const bool is_declined = std::holds_alternative<Declined>(frame);
    if (const ServicePointer service = is_declined ? service_of_offer(link, name) : nullptr)
        detach(*service, link); // it was allowed before
    const auto* const no = std::get_if<Declined>(&frame);
    if (!asked && offered.declined == DeclineReason::removed && no != nullptr &&
        no->reason == DeclineReason::not_allowed)
        return; // it knows
    tell(link, offered, frame, asked);
}

// Nothing, if that is what it was told last and it has not asked.
void ServiceOffers::tell(OriginLink& link, OriginLink::Offered& offered, const Frame& frame,
                         bool asked)
{
    std::string bytes = encode(frame);
    const bool news = bytes != offered.told;
    if (news || asked)
        link.connection.post(about(offered.number, frame));
    if (!news)
        return;
    offered.told = std::move(bytes);
    const auto* const no = std::get_if<Declined>(&frame);
    offered.declined = no != nullptr ? std::optional(no->reason) : std::nullopt;
    if (!may_log(link.name->credential(),
                 no != nullptr ? no->service : std::get<Opened>(frame).service))
        return;
    if (no != nullptr)
        log::warn("declined a service", {{"service", no->service},
                                         log_name(link),
                                         {"origin", link.address},
                                         {"code", name_of(code_of(no->reason))},
                                         {"reason", no->text}});
    else if (const auto* const yes = std::get_if<Opened>(&frame))
        log::info("service opened", {{"service", yes->service},
                                     {"outside", yes->outside_address},
                                     log_name(link),
                                     {"origin", link.address}});
}

// It may offer, withdraw and offer again as fast as it likes.
bool ServiceOffers::may_log(const std::string& credential, const std::string& service)
{
    constexpr std::size_t most_remembered = 4096;
    if (lines_.size() >= most_remembered && !lines_.contains(credential))
        std::erase_if(lines_, [this](const auto& entry) { return !links_.has_named(entry.first); });
    if (lines_[credential].take(Clock::now()))
        return true;
    tallies_.count(tallies_.restless, credential, service);
    return false;
}

// Serves it, if that may be; throws std::system_error if it cannot listen.
ServiceOffers::Verdict ServiceOffers::answer(OriginLink& link, const std::string& name,
                                             const std::string& wanted)
{
    std::optional<Contested> contested;
    const auto where = serve_tunnels(link, name, contested);
    if (!where && contested)
        return *contested;
    Verdict verdict = answer_by_rules(link, name, wanted);
    const auto* const frame = std::get_if<Frame>(&verdict);
    if (!where || (frame != nullptr && std::holds_alternative<Opened>(*frame)))
        return verdict;
    // A tunnel gives no right to what else is called so.
    if (const ServicePointer service = service_of_offer(link, name))
        detach(*service, link);
    return Opened{name, *where};
}

// The same, but for tunnels.
ServiceOffers::Verdict ServiceOffers::answer_by_rules(OriginLink& link, const std::string& name,
                                                      const std::string& wanted)
{
    if (!is_service_name(name))
        return declined(name, DeclineReason::not_allowed, std::string(plain_name_syntax));
    const auto found = services_.find(name);
    ServicePointer service = found != services_.end() ? found->second : nullptr;
    // One that is for others does not keep this one from having one of its own, elsewhere.
    const bool may_open = !wanted.empty() && !ports_of(link).empty() && !trust_.trusts_anyone();
    if (service && !service->allows(link.identity.name) && may_open)
        service = nullptr;
    if (service) {
        if (auto objection = objection_to(link, *service, wanted))
            return *objection;
        const bool is_anybody = link.identity.is_anybody();
        if (const OriginLink* const holder = service->holder_before(&link, is_anybody))
            return contested_service(*service, *holder, link.identity);
    } else {
        if (auto objection = objection_to(link, name, wanted))
            return *objection;
        const Address address = parse_address(wanted).value();
        if (auto contested = contest_for(link, name, address))
            return *contested;
        service = open_for(link, name, address);
    }
    try {
        table_.attach(*service, link);
    } catch (const std::system_error&) {
        if (service->owner && service->servers.empty())
            retire(service, "cannot listen");
        throw;
    }
    return Opened{name, to_string(service->outside.endpoint())};
}

// The one that it serves because of this offer, not counting tunnels; null if it serves none.
ServicePointer ServiceOffers::service_of_offer(const OriginLink& link,
                                               const std::string& name) const
{
    if (const auto found = services_.find(name);
        found != services_.end() && found->second->server(&link) != nullptr)
        return found->second;
    const ServicePointer own = table_.opened_by(*link.name, name);
    return own && own->server(&link) != nullptr ? own : nullptr;
}

// Who has what it wants to open; nullopt: nobody, or nobody who counts. Throws std::system_error if
// it can never have that.
std::optional<Contested> ServiceOffers::contest_for(const OriginLink& link, const std::string& name,
                                                    Address address)
{
    const ServicePointer own = table_.opened_by(*link.name, name);
    if (own) {
        if (const OriginLink* const holder = own->holder_before(&link, false))
            return contested_service(*own, *holder, link.identity);
    }
    if (address.port == 0)
        return std::nullopt;
    if (address.host.empty())
        address.host = options_.outside_address.value_or(Address()).host;
    const tcp::endpoint wanted = table_.endpoint(address);
    std::vector<ServicePointer> there;
    for (const auto& [key, service] : services_) {
        if (service != own && overlap(service->outside.endpoint(), wanted))
            there.push_back(service);
    }
    for (const ServicePointer& service : there) {
        if (!service->owner)
            fail(asio::error::address_in_use,
                 fmt::format("port {} is that of the service \"{}\" here", address.port,
                             *service->name));
        if (!service->servers.empty()) {
            const OriginLink& holder = *service->servers.front().link;
            const bool is_itself = &holder == &link;
            // Another name would free no port, so none is advised.
            return Contested{thing_of_port(*service), is_itself ? 0 : holder.number, std::nullopt,
                             in_use(*service, holder) + ": choose another port"};
        }
        // Whoever had it is gone. It may have lost its connection for a moment alone.
        const auto until = service->deserted + options_.probe_timeout;
        if (!service->owner->is_alike(*link.name) && Clock::now() < until)
            return Contested{thing_of_port(*service), 0, until,
                             fmt::format("port {} is kept for {}, which may come back",
                                         address.port, service->owner->shown())};
        retire(service, "its origin proxy is gone, and another service has its port");
    }
    return std::nullopt;
}

// One of its own, at this address. Throws std::system_error, and then what it had is still there,
// unless that had the same port.
ServicePointer ServiceOffers::open_for(OriginLink& link, const std::string& name,
                                       const Address& address)
{
    const ServicePointer former = table_.opened_by(*link.name, name);
    const PortRanges& allowed = ports_of(link);
    const auto may_keep = [&](std::uint16_t port) {
        return std::ranges::any_of(allowed,
                                   [port](const PortRange& range) { return range.contains(port); });
    };
    if (former && former->options.outside_address == address &&
        may_keep(former->outside.endpoint().port()))
        return former;
    constexpr std::string_view why = "its origin proxy wants another address";
    must_leave_room(link, former ? 1 : 0);
    // It is answered for the new one.
    if (former && former->outside.endpoint().port() == address.port)
        retire(former, why, &link);
    Listener listener = listen_for(link, address);
    if (former && !former->retired)
        retire(former, why, &link);
    RemoteService options{table_.name_for(*link.name, name), address};
    options.rules = options_.rules;
    options.offered_as = name;
    return table_.add(std::move(options), std::move(listener), link.name);
}

// To serving one that the options name.
std::optional<Declined> ServiceOffers::objection_to(const OriginLink& link,
                                                    const PublicService& service,
                                                    const std::string& wanted) const
{
    const std::string& name = service.options.name;
    if (!service.allows(link.identity.name))
        return declined(name, DeclineReason::not_allowed,
                        fmt::format("service \"{}\" is not for this origin proxy", name));
    if (wanted.empty())
        return std::nullopt;
    const auto address = parse_address(wanted);
    const tcp::endpoint here = service.outside.endpoint();
    const bool fits = address && (address->port == 0 || address->port == here.port()) &&
                      (address->host.empty() || address->host == here.address().to_string() ||
                       address->host == service.options.outside_address.host);
    if (fits)
        return std::nullopt;
    return declined(name, DeclineReason::not_allowed,
                    fmt::format("service \"{}\" is at {} here, and not where the origin proxy "
                                "wants it: leave its address out",
                                name, to_string(here)));
}

// To opening one that the options do not name.
std::optional<Declined> ServiceOffers::objection_to(const OriginLink& link, const std::string& name,
                                                    const std::string& wanted) const
{
    const auto refused = [&name](std::string text) {
        return declined(name, DeclineReason::not_allowed, std::move(text));
    };
    const PortRanges& allowed = ports_of(link);
    if (trust_.trusts_anyone() && !allowed.empty())
        return refused(
            fmt::format("there is no service \"{}\" here, and without a secret nobody may "
                        "open one: give both proxies the same --secret-file",
                        name));
    if (allowed.empty() || trust_.trusts_anyone())
        return refused(fmt::format("there is no service \"{}\" here, and this origin proxy may not "
                                   "open one: see allow-ports of the remote proxy{}",
                                   name,
                                   options_.common.management.address
                                       ? ", or PUT /tunnels of its management interface"
                                       : ""));
    if (wanted.empty())
        return refused(fmt::format("there is no service \"{}\" here: say at which port to open it, "
                                   "out of {}",
                                   name, to_text(allowed)));
    const auto address = parse_address(wanted);
    if (!address)
        return refused(fmt::format("its outside address is not {}", address_syntax));
    const bool in_range = std::ranges::any_of(
        allowed, [&](const PortRange& range) { return range.contains(address->port); });
    if (address->port != 0 && !in_range)
        return refused(
            fmt::format("port {} is not one of those that this origin proxy may open: {}",
                        address->port, to_text(allowed)));
    // It must not reach further than the remote proxy's own address does.
    const std::string own = options_.outside_address.value_or(Address()).host;
    if (!address->host.empty() && address->host != own && !is_wildcard(own))
        return refused(fmt::format("services open at {} here: leave the host out", own));
    const bool is_v6 = address->host.find(':') != std::string::npos;
    if (own == "0.0.0.0" && is_v6)
        return refused("services open at IPv4 addresses here");
    std::error_code not_numeric;
    asio::ip::make_address(address->host, not_numeric);
    if (!address->host.empty() && address->host != own && not_numeric)
        return refused("its host must be an IP address of the remote proxy, or be left out");
    return std::nullopt;
}

const PortRanges& ServiceOffers::ports_of(const OriginLink& link) const
{
    static const PortRanges none;
    for (const std::string& name : {link.identity.name, std::string()}) {
        if (const auto found = options_.allow_ports.find(name); found != options_.allow_ports.end())
            return found->second;
    }
    return none;
}

// Each takes a descriptor. However many one origin proxy opens, as many are left for others. So
// many of its own are about to go. Throws std::system_error.
void ServiceOffers::must_leave_room(const OriginLink& link, std::size_t leaving) const
{
    const auto own =
        static_cast<std::size_t>(std::ranges::count_if(services_, [&link](const auto& entry) {
            const auto& owner = entry.second->owner;
            return owner && owner->credential() == link.name->credential();
        }));
    const std::size_t most = capacity_.services();
    if (services_.size() + own < most + 2 * leaving)
        return;
    fail(std::make_error_code(std::errc::too_many_files_open),
         fmt::format("{} services are open, {} of this origin proxy, and as many must be left for "
                     "others out of {}: raise the remote proxy's limit of descriptors",
                     services_.size(), own, most));
}

// Throws std::system_error.
Listener ServiceOffers::listen_for(const OriginLink& link, Address address)
{
    if (address.host.empty())
        address.host = options_.outside_address.value_or(Address()).host;
    return address.port != 0 ? table_.listen(address) : listen_at_any_port(link, address);
}

Listener ServiceOffers::listen_at_any_port(const OriginLink& link, Address address)
{
    constexpr std::string_view no_port = "no port of those that this origin proxy may open is free";
    constexpr std::size_t most_remembered = 4096;
    constexpr auto remembered_for = std::chrono::seconds(1); // other programs close theirs as well
    constexpr int most_searches = 16;
    const auto now = Clock::now();
    const std::string& credential = link.identity.name;
    const auto known = no_port_.find(credential);
    const bool is_known = known != no_port_.end() && now < known->second.until;
    if (is_known &&
        (known->second.closed == table_.closed() || known->second.searches >= most_searches))
        fail(std::make_error_code(std::errc::address_in_use), std::string(no_port));
    const std::vector<std::uint16_t> ports = ports_in(ports_of(link));
    const RandomBytes random = random_bytes();
    const std::size_t start = random[0] << 8 | random[1];
    for (std::size_t i = 0;; ++i) {
        address.port = ports[(start + i) % ports.size()];
        try {
            return table_.listen(address);
        } catch (const std::system_error& error) {
            // Whichever was the last.
            if (i + 1 < std::min(ports.size(), most_ports_tried))
                continue;
            NoPort found{table_.closed(), now + remembered_for, 1};
            if (is_known) {
                found.until = known->second.until;
                found.searches += known->second.searches;
            } else if (no_port_.size() >= most_remembered) {
                no_port_.clear();
            }
            no_port_.insert_or_assign(credential, found);
            fail(error.code(), std::string(no_port));
        }
    }
}

// After a change of the options.
void ServiceOffers::reconsider_offers()
{
    no_port_.clear();
    to_reconsider_.links.clear();
    to_reconsider_.last.clear();
    for (const OriginLink* const link : links_.all())
        to_reconsider_.links.push_back(link->number);
    std::ranges::reverse(to_reconsider_.links);
    if (!reconsider_some() && !std::exchange(to_reconsider_.goes_on, true))
        tasks_.spawn("considering offers again", go_on_reconsidering());
}

// Whether all have been considered.
bool ServiceOffers::reconsider_some()
{
    constexpr auto turn = std::chrono::microseconds(300);
    const auto end = Clock::now() + turn;
    auto& [links, last, goes_on] = to_reconsider_;
    while (!links.empty()) {
        OriginLink* const link = links_.find(links.back());
        const auto next =
            link != nullptr ? link->offers.upper_bound(last) : decltype(link->offers)::iterator();
        if (link == nullptr || next == link->offers.end()) {
            links.pop_back();
            last.clear();
            continue;
        }
        last = next->first;
        consider(*link, std::string(last));
        if (Clock::now() >= end)
            return false;
    }
    return true;
}

awaitable<void> ServiceOffers::go_on_reconsidering()
{
    while (!reconsider_some())
        co_await yield_to_others();
    to_reconsider_.goes_on = false;
}

// Another program may have let the address go. A few at a time, and not as often as the origin
// proxy likes: each may be hundreds of attempts.
void ServiceOffers::listen_again(OriginLink& link)
{
    constexpr std::size_t most_at_once = 4;
    const auto now = Clock::now();
    if (now < link.listens_again)
        return;
    link.listens_again = now + options_.common.heartbeat_interval;
    std::vector<std::string> names;
    auto next = link.offers.upper_bound(link.listened_last);
    for (std::size_t i = 0; i < link.offers.size() && names.size() < most_at_once; ++i, ++next) {
        if (next == link.offers.end())
            next = link.offers.begin();
        const auto& declined = next->second.declined;
        if (declined == DeclineReason::cannot_listen || declined == DeclineReason::too_many ||
            declined == DeclineReason::in_use)
            names.push_back(next->first);
    }
    for (const std::string& name : names) {
        link.listened_last = name;
        consider(link, name);
    }
}

// All who offer it and go by this name.
void ServiceOffers::consider_all(const std::string& client, const std::string& service)
{
    for (OriginLink* const link : links_.named(client)) {
        if (link->offers.contains(service))
            consider(*link, service);
    }
}

void ServiceOffers::reconsider(const Contender& contender)
{
    OriginLink* const link = links_.find(contender.link);
    if (link != nullptr && link->offers.contains(contender.offer))
        consider(*link, contender.offer);
    else
        holders_.leave(contender);
}

// Lets an origin proxy serve the tunnels that are meant for it. Where the first of them is;
// nullopt: there is none, or somebody has it, and then that is in `contested`.
std::optional<std::string> ServiceOffers::serve_tunnels(OriginLink& link, const std::string& name,
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
            contested = contested_service(*service, *holder, link.identity);
            continue;
        }
        try {
            table_.attach(*service, link);
            if (!where)
                where = to_string(service->outside.endpoint());
        } catch (const std::system_error& error) {
            log::error("a tunnel cannot be opened", {{"reason", error.what()}});
        }
    }
    return where;
}

void ServiceOffers::consider_postponed()
{
    const auto postponed = std::exchange(postponed_offers_, std::nullopt);
    if (!postponed)
        return;
    for (const auto& [link, name] : *postponed) {
        if (links_.contains(link) && link->offers.contains(name))
            consider(*link, name);
    }
}

// ---- Ends

// Those who are being served go on. All who served it are told, but for `knows`.
void ServiceOffers::retire(const ServicePointer& service, std::string_view why,
                           const OriginLink* knows)
{
    const std::string& name = service->options.name;
    const std::string& offer = service->options.offer();
    if (!service->owner || may_log(service->owner->credential(), name))
        log::info("service closed", {{"service", name}, {"reason", why}});
    for (const PublicService::Server& server : table_.close(service, why)) {
        OriginLink& link = *server.link;
        if (service->tunnel) { // it may have the same service still, elsewhere
            if (link.offers.contains(service->options.offer()))
                consider(link, service->options.offer());
            continue;
        }
        const auto offered = link.offers.find(offer);
        if (!link.offers_services) {
            link.connection.finish({Code::service_closed, "its service is gone"});
            drop(link);
        } else if (&link != knows && offered != link.offers.end()) {
            tell(link, offered->second, Declined{offer, DeclineReason::removed, std::string(why)});
        }
    }
    holders_.become_free(*service);
    visitors_.end_waiting_for_closed(*service, why);
}

// Whoever waits for what it had has a turn.
void ServiceOffers::detach(PublicService& service, OriginLink& link)
{
    if (table_.detach(service, link))
        holders_.become_free(service);
}

// The visitors who wait keep their places for whoever else serves them, now or later. A second time
// it does nothing.
void ServiceOffers::drop(OriginLink& link)
{
    if (std::exchange(link.is_lost, true))
        return;
    links_.remove(link);
    link.parked.clear();
    visitors_.revoke(link);
    for (const ServicePointer& service : table_.served_by(link))
        detach(*service, link);
    link.asked.reset();
    holders_.forget(link);
    visitors_.left().notify(); // drain() waits for the link's end too
}

// What it had is free at once for those who have waited.
void ServiceOffers::drop_silent(OriginLink& link)
{
    const std::vector<ServicePointer> its = table_.served_by(link);
    link.connection.end(make_error_code(Errc::heartbeat_timeout),
                        "it does not answer, and another origin proxy asks for its place");
    drop(link);
    for (const ServicePointer& service : its) {
        if (service->servers.empty())
            service->deserted -= options_.probe_timeout;
    }
}

// An address that nobody serves is refused by the kernel, but not given up, if the options name it.
void ServiceOffers::end_outages(Clock::time_point now)
{
    for (const ServicePointer& service : table_.outages_over(now)) {
        if (service->outside.is_open())
            log::warn("no origin proxy came back: refusing visitors",
                      {{"outside", to_string(service->outside.endpoint())}});
        service->outside.shut();
        if (!visitors_.end_waiting_for_deserted(*service))
            continue; // the next turn goes on
        service->outage_ends.reset();
        if (service->owner && service->servers.empty())
            retire(service, "its origin proxy did not come back");
    }
}

// ---- Health

// Of a service that it offers or serves; what it says of others is nobody's concern.
void ServiceOffers::on_health(OriginLink& link, const ServerHealth& health)
{
    std::vector<PublicService::Server*> servers;
    for (const ServicePointer& service : table_.served_by(link)) {
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
