#include "remote-proxy/control/log_ins.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "common/base/counted.hpp"
#include "common/base/error.hpp"
#include "common/base/log.hpp"
#include "common/management/json_response.hpp"
#include "common/protocol/reason_codes.hpp"
#include "common/relay/descriptors.hpp"
#include "common/security/proof.hpp"
#include "common/transport/socket.hpp"

namespace tunnel {

namespace {

// Control connections, however many descriptors there are.
constexpr std::size_t most_links = 2000;

} // namespace

LogIns::LogIns(Uses uses)
    : options_(uses.options),
      state_(uses.state),
      trust_(uses.trust),
      capacity_(uses.capacity),
      links_(uses.links),
      services_(uses.services),
      tunnels_(uses.tunnels),
      visitors_(uses.visitors),
      control_port_(uses.control_port),
      tallies_(uses.tallies),
      events_(uses.events),
      idle_room_(parking_capacity(options_.descriptor_limit)),
      origin_bandwidths_(options_.bandwidth_per_origin)
{
}

awaitable<void> LogIns::serve(ControlPort::Arrival arrival)
{
    if (auto* const asks = std::get_if<ControlPort::AsksToLogIn>(&arrival))
        return log_in(std::move(*asks));
    if (auto* const dials = std::get_if<ControlPort::DialsBack>(&arrival))
        return visitors_.pair(std::move(dials->connection.channel),
                              std::move(dials->connection.peer), dials->ticket);
    auto& parks = std::get<ControlPort::Parks>(arrival);
    return park(std::move(parks.connection), parks.session);
}

awaitable<void> LogIns::log_in(ControlPort::AsksToLogIn asks)
{
    ControlPort::Connection& connection = asks.connection;
    const LogIn& log_in = asks.log_in;
    std::optional<Reject>& rejection = asks.rejection;
    if (!rejection)
        rejection = objection_to(connection.identity, log_in);
    const bool returns = !rejection && replace_former(connection.identity, log_in);
    if (!rejection && !state_.takes_changes() && !returns)
        rejection = Reject{RejectReason::shutting_down, "the remote proxy is shutting down"};
    if (!rejection)
        rejection = too_many_links(connection.identity);
    if (!rejection && !offers_services(log_in))
        rejection = co_await wait_for_holder(connection, log_in);
    // It may have been taken out of the file while it proved who it is, or waited.
    if (!rejection && !trusts(connection.identity))
        rejection = Reject{RejectReason::not_trusted, "its secret is no longer good"};
    if (rejection) {
        const Code code = code_of(rejection->reason);
        tallies_.count(tallies_.rejections, connection.peer, rejection->text, code);
        if (events_.is_heard())
            events_.publish("log_in_rejected", to_line(Json{{"address", connection.peer},
                                                            {"code", name_of(code)},
                                                            {"reason", rejection->text}}));
        co_await control_port_.say_last(connection.channel, encode(*rejection));
        co_return;
    }
    co_await serve_origin(std::move(connection), std::move(asks.log_in));
}

// Until a visitor comes.
awaitable<void> LogIns::park(ControlPort::Connection connection, SessionId session)
{
    if (OriginLink* const link = links_.find(session))
        link->parked.put(connection.channel.release());
    co_return;
}

// Of one that names its service in the log-in. Whether it may have it is asked once it has proved
// who it is.
std::optional<Reject> LogIns::objection_to(const Identity& identity, const LogIn& log_in) const
{
    const Registry& registry = services_.registry();
    if (offers_services(log_in) || registry.named_in_log_in(log_in.service, identity.name))
        return std::nullopt;
    std::string there;
    for (const auto& [name, service] : registry.services()) {
        if (service->source() != ServiceSource::options || !service->allows(identity.name))
            continue;
        if (there.size() > 200) {
            there += ", and more";
            break;
        }
        there += fmt::format("{}\"{}\"", there.empty() ? "" : ", ", name);
    }
    if (there.empty())
        there = "none";
    return Reject{
        RejectReason::service,
        fmt::format("there is no service \"{}\" here for this origin proxy, but {}: start it with "
                    "--service NAME=ADDRESS",
                    log_in.service, there)};
}

// The same run of the same origin proxy, which has lost its control connection sooner than we
// have: what is left of that is closed. Whether there was one.
bool LogIns::replace_former(const Identity& identity, const LogIn& log_in)
{
    const OriginName name(identity.name, identity.is_only, log_in.name);
    OriginLink* const found = links_.find(log_in.origin, name);
    if (found == nullptr)
        return false;
    OriginLink& former = *found;
    log::info("the origin proxy has returned", {{"origin", former.address}, log_name(former)});
    former.connection.end(make_error_code(std::errc::operation_canceled),
                          "taken over by the same origin proxy");
    services_.drop(former);
    return true;
}

// However many come with one secret, as many are left for others.
std::optional<Reject> LogIns::too_many_links(const Identity& identity) const
{
    const std::size_t most = std::clamp<std::size_t>(capacity_.usable() / 4, 8, most_links);
    const bool is_one_of_many = !identity.is_only && !identity.is_anybody();
    const std::size_t alike = links_.with_credential(identity.name);
    if (links_.size() + (is_one_of_many ? alike : 0) < most)
        return std::nullopt;
    return Reject{RejectReason::too_many,
                  fmt::format("{} origin proxies are logged in, {} of them with this secret: one "
                              "secret leaves as much room for others as it takes of that for {}",
                              links_.size(), alike, most)};
}

// Where the service of the log-in is for one origin proxy at a time: whoever has it keeps it as
// long as it answers.
awaitable<std::optional<Reject>> LogIns::wait_for_holder(ControlPort::Connection& connection,
                                                         const LogIn& log_in)
{
    constexpr int most_tries = 3; // others may come first
    const Registry& registry = services_.registry();
    const Identity& identity = connection.identity;
    const OriginName name(identity.name, identity.is_only, identity.own_name);
    std::string words;
    for (int tries = 0; tries < most_tries; ++tries) {
        const auto service = registry.named_in_log_in(log_in.service, identity.name);
        const RegisteredOrigin* const holder =
            service ? holder_before(*service, registry.origins(), 0, identity.is_anybody())
                    : nullptr;
        if (holder == nullptr)
            co_return std::nullopt;
        words = in_use(*service, *holder, name);
        if (!services_.may_wait())
            break;
        const std::uint64_t number = holder->link;
        if (tries == 0) {
            const Notice notice{words + "; asking it whether it is still there"};
            co_await send(connection.channel, encode(notice));
        }
        if (co_await services_.has_answered(number))
            break;
    }
    co_return Reject{RejectReason::in_use, std::move(words)};
}

awaitable<void> LogIns::serve_origin(ControlPort::Connection connection, LogIn log_in)
{
    const bool encrypted = connection.channel.is_encrypted();
    const std::size_t twin = services_.meet_twins(connection.identity);
    OriginLink link(std::move(connection.channel),
                    {options_.common.heartbeat_interval, options_.common.heartbeat_timeout},
                    log_in.origin, std::move(connection.identity), idle_room_, twin);
    link.carrier->bandwidth = origin_bandwidths_.of(link.identity.name);
    link.connection.set_peer_timeout(log_in.heartbeat_timeout);
    Welcome welcome;
    welcome.version = common_version(log_in.lowest_version, log_in.highest_version).value();
    welcome.program_version = TUNNEL_VERSION;
    welcome.heartbeat_timeout = options_.common.heartbeat_timeout;
    link.parking = std::ranges::find(log_in.features, feature::parking) != log_in.features.end();
    if (link.parking || link.identity.session_key)
        link.session = SessionId{random_bytes()};
    welcome.session = link.session;
    link.offers_services = offers_services(log_in);
    link.sends_headers =
        std::ranges::find(log_in.features, feature::visitor_headers) != log_in.features.end();
    link.moves = std::ranges::find(log_in.features, feature::move) != log_in.features.end();
    link.version = log_in.program_version;
    link.encrypted = encrypted;
    services_.log_in(link);
    const RegisteredServicePointer service =
        link.offers_services
            ? nullptr
            : services_.registry().named_in_log_in(log_in.service, link.identity.name);
    if (link.offers_services)
        welcome.features.emplace_back(feature::services);
    else if (service)
        welcome.outside_address = service->outside();
    if (std::ranges::find(log_in.features, feature::health_checks) != log_in.features.end())
        welcome.features.emplace_back(feature::health_checks);
    if (std::ranges::find(log_in.features, feature::names) != log_in.features.end())
        welcome.features.emplace_back(feature::names);
    if (std::ranges::find(log_in.features, feature::http) != log_in.features.end())
        welcome.features.emplace_back(feature::http);
    link.connection.post(welcome);
    if (link.moves && (state_.handing_over || state_.leaving)) // it has begun before that
        link.connection.post(Move());
    ++log_ins_;
    if (events_.is_heard())
        events_.publish("origin_came", to_line(Json{{"origin", link.name->shown()},
                                                    {"address", link.address},
                                                    {"version", link.version}}));
    log::info("origin proxy logged in", {{"origin", link.address},
                                         log_name(link),
                                         {"encrypted", encrypted ? "yes" : "no"},
                                         {"version", log_in.program_version}});
    try {
        if (service)
            services_.attach(*service, link);
        else if (!link.offers_services) // it was taken away while the log-in was under way
            link.connection.finish({Code::service_closed, "its service is gone"});
    } catch (const std::system_error& error) {
        link.connection.finish({code_of(error.code()), error.what()});
    }

    const std::function<void(Frame&)> on_each = [this, &link](Frame& frame) {
        on_frame(link, frame);
    };
    Reason reason;
    try {
        co_await link.connection.run(on_each);
    } catch (const std::system_error& error) {
        reason = {code_of(error.code(), Code::connection_lost), error.what()};
    }
    services_.drop(link);
    log::Level level = log::Level::warn;
    std::string_view message = "lost the origin proxy";
    if (!link.goodbye.empty()) {
        level = log::Level::info;
        message = "origin proxy left";
        reason = link.goodbye;
    } else if (!link.connection.farewell().empty()) {
        level = log::Level::info;
        message = "closed the connection of an origin proxy";
        reason = link.connection.farewell();
    }
    if (events_.is_heard())
        events_.publish("origin_left", to_line(Json{{"origin", link.name->shown()},
                                                    {"address", link.address},
                                                    {"code", name_of(reason.code)},
                                                    {"reason", reason.text}}));
    log::write(level, message,
               {{"origin", link.address},
                log_name(link),
                {"code", name_of(reason.code)},
                {"reason", reason.text}});
}

void LogIns::on_frame(OriginLink& link, Frame& frame)
{
    if (link.is_lost && !std::holds_alternative<Goodbye>(frame))
        return; // it has been told to go
    services_.on_frame(link, frame);
    if (const auto* const refuse = std::get_if<Refuse>(&frame)) {
        visitors_.on_refuse(link, *refuse);
    } else if (std::holds_alternative<Heartbeat>(frame)) {
        on_heartbeat(link);
    } else if (const auto* const notice = std::get_if<Notice>(&frame)) {
        log::warn("the origin proxy says",
                  {{"origin", link.address}, log_name(link), {"notice", notice->text}});
    } else if (const auto* const goodbye = std::get_if<Goodbye>(&frame)) {
        link.goodbye = {goodbye->code, goodbye->text.empty() ? "goodbye" : goodbye->text};
    }
}

// A peer may send them without a pause, so what one costs does not grow with what it has here.
void LogIns::on_heartbeat(OriginLink& link)
{
    const auto now = Clock::now();
    if (now >= link.sweeps_again) {
        link.sweeps_again = now + options_.common.heartbeat_interval / 2;
        link.parked.sweep();
    }
    tunnels_.open_missing_again(now);
    services_.listen_again(link);
}

// Those who came by a secret that is not good any more end, unless the same run of the origin proxy
// has shown another secret of the same name since. So a secret can be replaced without a cut, by
// having both for a while.
void LogIns::end_visitors_of_the_untrusted()
{
    const auto is_known_otherwise = [this](const Carrier& carrier) {
        return std::ranges::any_of(links_, [&](const OriginLink* link) {
            return link->origin == carrier.origin && link->identity.name == carrier.credential &&
                   trusts(link->identity);
        });
    };
    const auto is_untrusted = [&](const Carrier& carrier) {
        return !trust_.trusts(carrier.credential, carrier.secret) && !is_known_otherwise(carrier);
    };
    visitors_.served().end_of(is_untrusted);
    visitors_.streams().close_those_of(is_untrusted);
}

// Whose secret is no longer in the file, or has another name there.
void LogIns::cut_off_the_untrusted()
{
    const std::vector<OriginLink*> all = links_.all();
    for (OriginLink* const link : all) {
        const auto served = services_.registry().services().served_by(link->number);
        if (!link->offers_services && !served.empty() &&
            !served.front()->allows(link->identity.name)) {
            link->connection.finish({Code::not_allowed, "its service is for others now"});
            services_.drop(*link);
            continue;
        }
        if (!trusts(link->identity)) {
            link->connection.finish({Code::not_trusted, "its secret is no longer good"});
            services_.drop(*link);
        }
    }
}

} // namespace tunnel
