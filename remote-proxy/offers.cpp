// The services that origin proxies offer to the remote proxy: what each may serve, and open.
#include "remote-proxy/remote_proxy.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "common/configuration/names.hpp"
#include "common/error.hpp"
#include "common/log.hpp"
#include "common/net/socket.hpp"

namespace tunnel {

namespace {

// Of one origin proxy, whatever becomes of them: each takes memory here.
constexpr std::size_t most_offers = 1000;

// Ports that are tried for one that wants any.
constexpr std::size_t most_tries = 256;

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

// What a service of it can be called, the first that is free: where the credential has a name, that
// of the machine is not needed as long as no other of them has the same service.
std::vector<std::string> keys_of(const OriginName& origin, const std::string& name)
{
    const std::string full = fmt::format("{}/{}", origin.identity(), name);
    return {fmt::format("{}/{}", origin.family(), name), full, full + "#2"};
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

void RemoteProxy::on_offer(OriginLink& link, const Offer& offer)
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

void RemoteProxy::withdraw(OriginLink& link, const std::string& name)
{
    const bool was_offered = link.offers.erase(name) > 0;
    link.ill.erase(name);
    contests_.leave({link.number, name});
    if (!was_offered) // looking for it would cost as much as there are services
        return;
    for (const ServicePointer& service : served_by(link)) {
        if (service->options.offer() != name)
            continue;
        leave(*service, link);
        if (service->owner)
            retire(service, "withdrawn by its origin proxy");
    }
}

void RemoteProxy::consider(OriginLink& link, const std::string& name, bool asked)
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
        const auto state =
            contests_.enter(contender, contested->thing, contested->holder, contested->until);
        if (contested->until)
            be_woken_at(*contested->until);
        if (state == Contests::State::asking && !contested->is_hopeless()) {
            ask(contested->holder);
            return; // it is answered when that is known
        }
        verdict = declined(name, DeclineReason::in_use, contested->words);
    } else {
        contests_.leave(contender);
    }
    const Frame& frame = std::get<Frame>(verdict);
    const bool is_declined = std::holds_alternative<Declined>(frame);
    if (const ServicePointer service = is_declined ? service_of_offer(link, name) : nullptr)
        leave(*service, link); // it was allowed before
    const auto* const no = std::get_if<Declined>(&frame);
    if (!asked && offered.declined == DeclineReason::removed && no != nullptr &&
        no->reason == DeclineReason::not_allowed)
        return; // it knows
    tell(link, offered, frame, asked);
}

// Nothing, if that is what it was told last and it has not asked.
void RemoteProxy::tell(OriginLink& link, OriginLink::Offered& offered, const Frame& frame,
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
                                         {"reason", no->text}});
    else if (const auto* const yes = std::get_if<Opened>(&frame))
        log::info("service opened", {{"service", yes->service},
                                     {"outside", yes->outside_address},
                                     log_name(link),
                                     {"origin", link.address}});
}

// It may offer, withdraw and offer again as fast as it likes.
bool RemoteProxy::may_log(const std::string& credential, const std::string& service)
{
    constexpr std::size_t most_remembered = 4096;
    if (lines_.size() >= most_remembered && !lines_.contains(credential))
        std::erase_if(lines_,
                      [this](const auto& entry) { return origin_named(entry.first) == nullptr; });
    if (lines_[credential].take(Clock::now()))
        return true;
    count(restless_, credential, service);
    return false;
}

// Serves it, if that may be; throws std::system_error if it cannot listen.
RemoteProxy::Verdict RemoteProxy::answer(OriginLink& link, const std::string& name,
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
        leave(*service, link);
    return Opened{name, *where};
}

// The same, but for tunnels.
RemoteProxy::Verdict RemoteProxy::answer_by_rules(OriginLink& link, const std::string& name,
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
            return Contested{thing_of_name(*service), holder->number, std::nullopt,
                             in_use(*service, *holder, link.identity)};
    } else {
        if (auto objection = objection_to(link, name, wanted))
            return *objection;
        const Address address = parse_address(wanted).value();
        if (auto contested = contest_for(link, name, address))
            return *contested;
        service = open_for(link, name, address);
    }
    try {
        serve(*service, link);
    } catch (const std::system_error&) {
        if (service->owner && service->servers.empty())
            retire(service, "cannot listen");
        throw;
    }
    return Opened{name, to_string(service->outside.endpoint())};
}

// Its own of that name, whether it serves it or has gone and come back; else null.
RemoteProxy::ServicePointer RemoteProxy::own_service(const OriginName& origin,
                                                     const std::string& name) const
{
    for (const std::string& key : keys_of(origin, name)) {
        const auto found = services_.find(key);
        if (found != services_.end() && found->second->owner &&
            found->second->owner->is_alike(origin) && found->second->options.offer() == name)
            return found->second;
    }
    return nullptr;
}

std::string RemoteProxy::key_for(const OriginName& origin, const std::string& name) const
{
    for (const std::string& key : keys_of(origin, name)) {
        if (!services_.contains(key))
            return key;
    }
    fail(std::make_error_code(std::errc::file_exists),
         fmt::format("others have services that are called as \"{}\" of {} is", name,
                     origin.shown()));
}

// The one that it serves because of this offer, not counting tunnels; null if it serves none.
RemoteProxy::ServicePointer RemoteProxy::service_of_offer(const OriginLink& link,
                                                          const std::string& name) const
{
    if (const auto found = services_.find(name);
        found != services_.end() && found->second->server(&link) != nullptr)
        return found->second;
    const ServicePointer own = own_service(*link.name, name);
    return own && own->server(&link) != nullptr ? own : nullptr;
}

// Who has what it wants to open; nullopt: nobody, or nobody who counts. Throws std::system_error if
// it can never have that.
std::optional<RemoteProxy::Contested>
RemoteProxy::contest_for(const OriginLink& link, const std::string& name, Address address)
{
    const ServicePointer own = own_service(*link.name, name);
    if (own) {
        if (const OriginLink* const holder = own->holder_before(&link, false))
            return Contested{thing_of_name(*own), holder->number, std::nullopt,
                             in_use(*own, *holder, link.identity)};
    }
    if (address.port == 0)
        return std::nullopt;
    if (address.host.empty())
        address.host = options_.outside_address.value_or(Address()).host;
    const tcp::endpoint wanted = hosts_.endpoint(address);
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
RemoteProxy::ServicePointer RemoteProxy::open_for(OriginLink& link, const std::string& name,
                                                  const Address& address)
{
    const ServicePointer former = own_service(*link.name, name);
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
    RemoteService options{key_for(*link.name, name), address};
    options.rules = options_.rules;
    options.offered_as = name;
    return add_service(std::move(options), std::move(listener), link.name);
}

// To serving one that the options name.
std::optional<Declined> RemoteProxy::objection_to(const OriginLink& link,
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
std::optional<Declined> RemoteProxy::objection_to(const OriginLink& link, const std::string& name,
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

const PortRanges& RemoteProxy::ports_of(const OriginLink& link) const
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
void RemoteProxy::must_leave_room(const OriginLink& link, std::size_t leaving) const
{
    const auto own =
        static_cast<std::size_t>(std::ranges::count_if(services_, [&link](const auto& entry) {
            const auto& owner = entry.second->owner;
            return owner && owner->credential() == link.name->credential();
        }));
    const std::size_t most = usable_descriptors() / 4;
    if (services_.size() + own < most + 2 * leaving)
        return;
    fail(std::make_error_code(std::errc::too_many_files_open),
         fmt::format("{} services are open, {} of this origin proxy, and as many must be left for "
                     "others out of {}: raise the remote proxy's limit of descriptors",
                     services_.size(), own, most));
}

// Throws std::system_error.
Listener RemoteProxy::listen_for(const OriginLink& link, Address address)
{
    if (address.host.empty())
        address.host = options_.outside_address.value_or(Address()).host;
    if (address.port != 0)
        return listen(address);
    std::vector<std::uint16_t> ports = ports_in(ports_of(link));
    const RandomBytes random = random_bytes();
    const std::size_t start = random[0] << 8 | random[1];
    for (std::size_t i = 0;; ++i) {
        address.port = ports[(start + i) % ports.size()];
        try {
            return listen(address);
        } catch (const std::system_error& error) {
            // Whichever was the last.
            if (i + 1 >= std::min(ports.size(), most_tries))
                fail(error.code(), "no port of those that this origin proxy may open is free");
        }
    }
}

// After a change of the options.
void RemoteProxy::reconsider_offers()
{
    const std::vector<OriginLink*> all = links_;
    for (OriginLink* const link : all) {
        std::vector<std::string> names;
        for (const auto& [name, offered] : link->offers)
            names.push_back(name);
        for (const std::string& name : names)
            consider(*link, name);
    }
}

// Another program may have let the address go. A few at a time, and not as often as the origin
// proxy likes: each may be hundreds of attempts.
void RemoteProxy::listen_again(OriginLink& link)
{
    constexpr std::size_t most_at_once = 4;
    const auto now = Clock::now();
    if (now >= tunnels_again_) {
        tunnels_again_ = now + options_.common.heartbeat_interval;
        open_missing_tunnels();
    }
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

} // namespace tunnel
