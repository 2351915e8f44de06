// The origin proxy at the remote proxy: its log-in and its control connection.
#include "remote-proxy/remote_proxy.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "common/error.hpp"
#include "common/log.hpp"
#include "common/management/json.hpp"
#include "common/net/socket.hpp"
#include "common/security/proof.hpp"
#include "remote-proxy/counted.hpp"

namespace tunnel {

namespace {

// Origin proxies that are being told why they are rejected.
constexpr std::size_t most_rejected = 4;

// Log-ins that wait until it is known whether a holder is still there.
constexpr std::size_t most_waiting_log_ins = 16;

// Control connections, however many descriptors there are.
constexpr std::size_t most_links = 2000;

} // namespace

awaitable<void> RemoteProxy::log_in(Caller caller, LogIn log_in)
{
    auto rejection = objection(log_in);
    if (!rejection) {
        rejection = co_await challenge(caller, log_in);
        if (!rejection)
            note_success(caller);
        else if (blocked_for(caller).count() == 0)
            note_failure(caller, make_error_code(Errc::no_proof));
    }
    caller.identity.own_name = log_in.name;
    if (!rejection)
        rejection = objection_to(caller, log_in);
    const bool returns = !rejection && replace_former(caller, log_in);
    if (!rejection && stopping_ && !returns)
        rejection = Reject{RejectReason::shutting_down, "the remote proxy is shutting down"};
    if (!rejection)
        rejection = too_many_links(caller.identity);
    if (!rejection && !offers_services(log_in))
        rejection = co_await wait_for_holder(caller, log_in);
    // It may have been taken out of the file while it proved who it is, or waited.
    if (!rejection && !trusts(caller.identity))
        rejection = Reject{RejectReason::not_trusted, "its secret is no longer good"};
    if (rejection) {
        count(rejections_, caller.peer, rejection->text);
        if (events_.is_heard())
            events_.publish("log_in_rejected",
                            to_line(Json{{"address", caller.peer}, {"reason", rejection->text}}));
        co_await say_last(caller.wire(), encode(*rejection));
        co_return;
    }
    co_await serve_origin(std::move(caller), std::move(log_in));
}

// Where there is a secret but no encryption: both sides prove that they know it, this one first, so
// that the origin proxy tells nobody else which visitors it would take.
awaitable<std::optional<Reject>> RemoteProxy::challenge(Caller& caller, const LogIn& log_in)
{
    if (caller.tls)
        co_return std::nullopt;
    if (!trust_.wants_proof() && !trust_.encrypts()) {
        if (!log_in.claimed)
            co_return std::nullopt;
        co_return Reject{RejectReason::not_trusted,
                         "the remote proxy has no secret: give it the same --secret-file, or the "
                         "origin proxy none"};
    }
    const auto now = Clock::now();
    Handshakes::Place place = handshakes_.enter(caller.socket, caller.address, now);
    be_woken_at(now + options_.handshake_timeout);
    const NamedSecret* const found =
        log_in.claimed ? trust_.find(log_in.claimed->credential) : nullptr;
    if (found == nullptr) {
        const std::string_view words =
            log_in.claimed ? unknown_secret
                           : "the remote proxy asks for a secret: give the origin proxy the same "
                             "--secret-file, and --encryption off as there";
        const Reject unknown{RejectReason::not_trusted, why_refused(caller, words)};
        try {
            co_await slow_down(caller);
        } catch (const std::system_error& error) {
            if (error.code() == asio::error::operation_aborted && caller.socket.is_open())
                throw;
        }
        co_return unknown;
    }
    // Whoever names a secret, which is public, is asked for the proof, and may take his time.
    place.keep();
    const NamedSecret secret = *found; // the files may be read again meanwhile
    const RandomBytes nonce = random_bytes();
    const Key& key = secret.credential.log_in;
    const Challenge asked{nonce, prove(key, Role::remote, log_in, nonce)};
    try {
        co_await send(caller.wire(), encode(asked));
        const Frame answer = co_await read_frame(caller.wire());
        const auto* const proof = std::get_if<Proof>(&answer);
        if (proof == nullptr || !equal(proof->proof, prove(key, Role::origin, log_in, nonce)))
            co_return Reject{RejectReason::not_trusted, std::string(unknown_secret)};
    } catch (const std::system_error& error) {
        // Not to be logged by itself: strangers can make as many as they like.
        if (error.code() == asio::error::operation_aborted && caller.socket.is_open())
            throw;
        co_return Reject{RejectReason::not_trusted, "no proof of the secret in time"};
    }
    caller.identity = {secret.name, secret.credential.id, session_key(key, log_in, nonce)};
    caller.identity.is_only = secret.is_only;
    co_return std::nullopt;
}

// Frames of the peer may be unread, so that closing at once would be a reset.
awaitable<void> RemoteProxy::say_last(Wire wire, std::string bytes)
{
    if (rejected_ >= most_rejected) {
        send_at_once(wire.side(), bytes);
        co_return;
    }

    const Counted counted(rejected_);
    co_await send_last(wire, std::move(bytes));
}

// The secret, if that is what somebody is known by, is still good, and has the same name.
bool RemoteProxy::trusts(const std::string& name, const std::optional<RandomBytes>& secret) const
{
    if (!secret)
        return true;
    const NamedSecret* const known = trust_.find(*secret);
    return known != nullptr && known->name == name;
}

// The one that the log-in names, if the options have it and this one may serve it; else null.
RemoteProxy::ServicePointer RemoteProxy::named_service(const LogIn& log_in,
                                                       const Identity& identity) const
{
    const auto found = services_.find(log_in.service);
    const bool may =
        found != services_.end() && !found->second->owner && found->second->allows(identity.name);
    return may ? found->second : nullptr;
}

// Of one that names its service in the log-in. Whether it may have it is asked once it has proved
// who it is.
std::optional<Reject> RemoteProxy::objection_to(const Caller& caller, const LogIn& log_in) const
{
    if (offers_services(log_in))
        return std::nullopt;
    if (named_service(log_in, caller.identity) != nullptr)
        return std::nullopt;
    std::string there;
    for (const auto& [name, service] : services_) {
        if (service->owner || service->tunnel || !service->allows(caller.identity.name))
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
bool RemoteProxy::replace_former(const Caller& caller, const LogIn& log_in)
{
    const OriginName name(caller.identity.name, caller.identity.is_only, log_in.name);
    const auto found = std::ranges::find_if(links_, [&](const OriginLink* link) {
        return link->origin == log_in.origin && link->name->is_alike(name);
    });
    if (found == links_.end())
        return false;
    OriginLink& former = **found;
    log::info("the origin proxy has returned", {{"origin", former.address}, log_name(former)});
    former.connection.end(make_error_code(std::errc::operation_canceled),
                          "taken over by the same origin proxy");
    lose(former);
    return true;
}

// However many come with one secret, as many are left for others.
std::optional<Reject> RemoteProxy::too_many_links(const Identity& identity) const
{
    const std::size_t most = std::clamp<std::size_t>(usable_descriptors() / 4, 8, most_links);
    const bool is_one_of_many = !identity.is_only && !identity.is_anybody();
    const auto alike =
        static_cast<std::size_t>(std::ranges::count_if(links_, [&identity](const OriginLink* link) {
            return link->identity.name == identity.name;
        }));
    if (links_.size() + (is_one_of_many ? alike : 0) < most)
        return std::nullopt;
    return Reject{RejectReason::too_many,
                  fmt::format("{} origin proxies are logged in, {} of them with this secret: one "
                              "secret leaves as much room for others as it takes of that for {}",
                              links_.size(), alike, most)};
}

// Where the service of the log-in is for one origin proxy at a time: whoever has it keeps it as
// long as it answers.
awaitable<std::optional<Reject>> RemoteProxy::wait_for_holder(Caller& caller, const LogIn& log_in)
{
    constexpr int most_tries = 3; // others may come first
    std::string words;
    for (int tries = 0; tries < most_tries; ++tries) {
        const ServicePointer service = named_service(log_in, caller.identity);
        const OriginLink* const holder =
            service ? service->holder_before(nullptr, caller.identity.is_anybody()) : nullptr;
        if (holder == nullptr)
            co_return std::nullopt;
        words = in_use(*service, *holder, caller.identity);
        if (waiting_log_ins_ >= most_waiting_log_ins)
            break;
        const Counted counted(waiting_log_ins_);
        const std::uint64_t number = holder->number;
        ask(number);
        const std::uint64_t received = holder->connection.received();
        const auto is_silent = [this, number, received] {
            const OriginLink* const link = link_of(number);
            return link != nullptr && link->asked && link->connection.received() == received;
        };
        if (tries == 0) {
            const Notice notice{words + "; asking it whether it is still there"};
            co_await send(caller.wire(), encode(notice));
        }
        while (is_silent())
            co_await holder_settled_.wait();
        if (link_of(number) != nullptr)
            break;
    }
    co_return Reject{RejectReason::in_use, std::move(words)};
}

awaitable<void> RemoteProxy::serve_origin(Caller caller, LogIn log_in)
{
    const bool encrypted = bool(caller.tls);
    const std::size_t twin = meet_twins(caller.identity);
    OriginLink link(std::move(caller.socket), std::move(caller.tls),
                    {options_.common.heartbeat_interval, options_.common.heartbeat_timeout},
                    log_in.origin, std::move(caller.identity), parking_space_, twin);
    link.carrier->bandwidth = origin_bandwidths_.of(link.identity.name);
    links_.push_back(&link);
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
    link.version = log_in.program_version;
    link.encrypted = encrypted;
    link.drained = is_drained(*link.name);
    const ServicePointer service =
        link.offers_services ? nullptr : named_service(log_in, link.identity);
    if (link.offers_services)
        welcome.features.emplace_back(feature::services);
    else if (service)
        welcome.outside_address = to_string(service->outside.endpoint());
    if (std::ranges::find(log_in.features, feature::health_checks) != log_in.features.end())
        welcome.features.emplace_back(feature::health_checks);
    link.connection.post(welcome);
    ++counts_.log_ins;
    note_client(*link.name);
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
            serve(*service, link);
        else if (!link.offers_services) // it was taken away while the log-in was under way
            link.connection.finish("its service is gone");
    } catch (const std::system_error& error) {
        link.connection.finish(error.what());
    }

    const std::function<void(Frame&)> on_each = [this, &link](Frame& frame) {
        on_frame(link, frame);
    };
    std::string reason;
    try {
        co_await link.connection.run(on_each);
    } catch (const std::system_error& error) {
        reason = error.what();
    }
    lose(link);
    if (events_.is_heard())
        events_.publish("origin_left",
                        to_line(Json{{"origin", link.name->shown()},
                                     {"address", link.address},
                                     {"reason", link.goodbye.empty() ? reason : link.goodbye}}));
    const std::string& farewell = link.connection.farewell();
    if (!link.goodbye.empty())
        log::info("origin proxy left",
                  {{"origin", link.address}, log_name(link), {"reason", link.goodbye}});
    else if (!farewell.empty())
        log::info("closed the connection of an origin proxy",
                  {{"origin", link.address}, log_name(link), {"reason", farewell}});
    else
        log::warn("lost the origin proxy",
                  {{"origin", link.address}, log_name(link), {"reason", reason}});
}

void RemoteProxy::on_frame(OriginLink& link, Frame& frame)
{
    if (link.is_lost && !std::holds_alternative<Goodbye>(frame))
        return; // it has been told to go
    if (link.asked)
        on_answer(link);
    if (const auto* const refuse = std::get_if<Refuse>(&frame)) {
        if (room_.told_to(refuse->ticket) != link.number)
            return;
        if (auto visitor = room_.dismiss(refuse->ticket))
            on_refusal(std::move(*visitor), refuse->text);
    } else if (std::holds_alternative<Heartbeat>(frame)) {
        on_heartbeat(link);
    } else if (const auto* const offer = std::get_if<Offer>(&frame)) {
        on_offer(link, *offer);
    } else if (const auto* const withdrawn = std::get_if<Withdraw>(&frame)) {
        withdraw(link, withdrawn->service);
    } else if (const auto* const health = std::get_if<ServerHealth>(&frame)) {
        on_health(link, *health);
    } else if (const auto* const notice = std::get_if<Notice>(&frame)) {
        log::warn("the origin proxy says",
                  {{"origin", link.address}, log_name(link), {"notice", notice->text}});
    } else if (const auto* const goodbye = std::get_if<Goodbye>(&frame)) {
        link.goodbye = goodbye->text.empty() ? "goodbye" : goodbye->text;
    }
}

// A peer may send them without a pause, so what one costs does not grow with what it has here.
void RemoteProxy::on_heartbeat(OriginLink& link)
{
    const auto now = Clock::now();
    if (now >= link.sweeps_again) {
        link.sweeps_again = now + options_.common.heartbeat_interval / 2;
        link.parked.sweep();
    }
    listen_again(link);
}

// The visitors who wait keep their places for whoever else serves them, now or later. A second time
// it does nothing.
void RemoteProxy::lose(OriginLink& link)
{
    if (std::exchange(link.is_lost, true))
        return;
    std::erase(links_, &link);
    if (link.session) {
        std::rotate(former_sessions_.begin(), former_sessions_.end() - 1, former_sessions_.end());
        former_sessions_.front() = *link.session;
    }
    note_client(*link.name);
    link.parked.clear();
    room_.revoke_tickets(link.number);
    contests_.leave_all_of(link.number);
    for (const ServicePointer& service : served_by(link))
        leave(*service, link);
    link.asked.reset();
    holder_settled_.notify();
    visitor_left_.notify(); // drain() waits for the link's end too
}

// Those who came by a secret that is not good any more end, unless the same run of the origin proxy
// has shown another secret of the same name since. So a secret can be replaced without a cut, by
// having both for a while.
void RemoteProxy::end_visitors_of_the_untrusted()
{
    const auto is_known_otherwise = [this](const Carrier& carrier) {
        return std::ranges::any_of(links_, [&](const OriginLink* link) {
            return link->origin == carrier.origin && link->identity.name == carrier.credential &&
                   trusts(link->identity);
        });
    };
    std::map<std::uint64_t, bool> ends; // by groups
    for (const auto& [id, relayed] : relayed_) {
        const Carrier& carrier = relayed->visitor.attempt->by();
        if (!ends.contains(carrier.group))
            ends[carrier.group] =
                !trusts(carrier.credential, carrier.secret) && !is_known_otherwise(carrier);
    }
    for (const auto& [group, is_over] : ends) {
        if (is_over)
            relay_.end_group(group);
    }
}

// Whose secret is no longer in the file, or has another name there.
void RemoteProxy::cut_off_the_untrusted()
{
    const std::vector<OriginLink*> all = links_;
    for (OriginLink* const link : all) {
        const auto served = std::ranges::find_if(
            services_, [link](const auto& entry) { return entry.second->server(link) != nullptr; });
        if (!link->offers_services && served != services_.end() &&
            !served->second->allows(link->identity.name)) {
            link->connection.finish("its service is for others now");
            lose(*link);
            continue;
        }
        if (!trusts(link->identity)) {
            link->connection.finish("its secret is no longer good");
            lose(*link);
        }
    }
}

} // namespace tunnel
