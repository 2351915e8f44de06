// The origin proxy at the remote proxy: its log-in, its place, its control connection.
#include "remote-proxy/remote_proxy.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>
#include <poll.h>

#include "common/error.hpp"
#include "common/log.hpp"
#include "common/management/json.hpp"
#include "common/net/socket.hpp"
#include "common/security/proof.hpp"
#include "remote-proxy/client_identifier.hpp"
#include "remote-proxy/counted.hpp"

namespace tunnel {

namespace {

// Origin proxies that are being told why they are rejected.
constexpr std::size_t most_rejected = 4;

// Is set while it lives.
struct Flag {
    bool& flag;

    explicit Flag(bool& which) : flag(which) { flag = true; }

    ~Flag() { flag = false; }
};

} // namespace

awaitable<void> RemoteProxy::log_in(Caller caller, LogIn log_in)
{
    auto rejection = objection(log_in);
    if (!rejection) {
        rejection = co_await challenge(caller, log_in);
        if (rejection)
            note_failure(caller, make_error_code(Errc::no_proof));
        else
            failed_log_ins_.succeeded(caller.address);
    }
    if (!rejection)
        rejection = objection_to(caller, log_in);
    const OriginLink* const holder = holder_of(place_of(caller.identity.name));
    if (!rejection && stopping_ && (holder == nullptr || !is_holder(*holder, caller, log_in)))
        rejection = Reject{RejectReason::shutting_down, "the remote proxy is shutting down"};
    if (!rejection) {
        const bool free = co_await free_the_place(caller, log_in);
        if (!free)
            rejection = Reject{
                RejectReason::in_use,
                fmt::format("service \"{}\" is in use by another origin proxy", log_in.service)};
    }
    // It may have been taken out of the file while it proved who it is, or waited.
    if (!rejection && caller.identity.credential &&
        trust_.find(*caller.identity.credential) == nullptr)
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
    const Reject wrong{RejectReason::not_trusted,
                       "the remote proxy does not know this secret: give both proxies the same "
                       "--secret-file"};
    if (!log_in.claimed)
        co_return Reject{RejectReason::not_trusted,
                         "the remote proxy asks for a secret: give the origin proxy the same "
                         "--secret-file, and --encryption off as there"};
    const NamedSecret* const found = trust_.find(log_in.claimed->credential);
    if (found == nullptr)
        co_return wrong;
    // Whoever names a secret, which is public, is asked for the proof, and may take his time.
    const auto now = Clock::now();
    const Handshakes::Place place = handshakes_.enter(caller.socket, now);
    be_woken_at(now + options_.handshake_timeout);
    const NamedSecret secret = *found; // the files may be read again meanwhile
    const RandomBytes nonce = random_bytes();
    const Key& key = secret.credential.log_in;
    const Challenge asked{nonce, prove(key, Role::remote, log_in, nonce)};
    try {
        co_await send(caller.wire(), encode(asked));
        const Frame answer = co_await read_frame(caller.wire());
        const auto* const proof = std::get_if<Proof>(&answer);
        if (proof == nullptr || !equal(proof->proof, prove(key, Role::origin, log_in, nonce)))
            co_return wrong;
    } catch (const std::system_error& error) {
        // Not to be logged by itself: strangers can make as many as they like.
        if (error.code() == asio::error::operation_aborted && caller.socket.is_open())
            throw;
        co_return Reject{RejectReason::not_trusted, "no proof of the secret in time"};
    }
    caller.identity = {secret.name, secret.credential.id, session_key(key, log_in, nonce)};
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

// Where the only service is the one of the command line, it is everybody's one place. Else each
// name has a place of its own.
std::string RemoteProxy::place_of(const std::string& name) const
{
    const bool only_one =
        !has_names_ && options_.allow_ports.empty() && options_.outside_address.has_value();
    return only_one ? std::string() : name;
}

OriginLink* RemoteProxy::holder_of(const std::string& place) const
{
    const auto found = std::ranges::find(links_, place, &OriginLink::place);
    return found == links_.end() ? nullptr : *found;
}

// With a name it is the same wherever and however often it runs; without one, only the same run is.
bool RemoteProxy::is_holder(const OriginLink& link, const Caller& caller, const LogIn& log_in)
{
    if (link.identity.name.empty() && caller.identity.name.empty())
        return link.origin == log_in.origin;
    return link.identity.name == caller.identity.name;
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
    return Reject{
        RejectReason::service,
        fmt::format("there is no service \"{}\" here for this origin proxy", log_in.service)};
}

// The same origin proxy takes its own place over; another one gets the place only of a holder that
// does not answer. True: the place is free.
awaitable<bool> RemoteProxy::free_the_place(Caller& caller, const LogIn& log_in)
{
    const std::string place = place_of(caller.identity.name);
    bool told = false;
    for (;;) {
        const OriginLink* const holder = holder_of(place);
        if (holder == nullptr || is_holder(*holder, caller, log_in))
            break;
        if (places_[place].probing)
            co_return false; // one newcomer at a time; its holder is being asked already
        if (!std::exchange(told, true)) {
            const Notice notice{fmt::format("service \"{}\" is in use by another origin proxy; "
                                            "asking it whether it is still there",
                                            log_in.service)};
            co_await send(caller.wire(), encode(notice));
            continue; // the holder may have gone meanwhile
        }
        const bool answers = co_await holder_answers(place);
        if (answers)
            co_return false;
    }
    const bool free = co_await take_over(caller, log_in);
    co_return free;
}

// Of the same identity's place. Another run of it may be one that was restarted, or a second one:
// those two would push each other out for ever, and are slowed.
awaitable<bool> RemoteProxy::take_over(Caller& caller, const LogIn& log_in)
{
    const std::string place = place_of(caller.identity.name);
    Place& known = places_[place];
    OriginLink* holder = holder_of(place);
    const auto wait = known.takeovers.wait(Clock::now());
    if (holder != nullptr && holder->origin != log_in.origin && wait.count() > 0) {
        count(fights_, caller.peer, holder->identity.name);
        if (known.contending)
            co_return false;
        const Flag contending(known.contending);
        const Notice notice{
            fmt::format("another origin proxy has the identity of this one, \"{}\", "
                        "and the two take the place from each other: it is yours in "
                        "{}, stop one of them",
                        holder->identity.name, to_string(duration_cast<microseconds>(wait)))};
        co_await send(caller.wire(), encode(notice));
        co_await sleep_for(wait);
        pollfd gone{caller.socket.native_handle(), POLLRDHUP, 0};
        if (::poll(&gone, 1, 0) != 0)
            co_return false;
        holder = holder_of(place);
        if (holder != nullptr && !is_holder(*holder, caller, log_in))
            co_return false;
    }
    if (holder == nullptr)
        co_return true;
    if (holder->origin == log_in.origin) {
        log::info("the origin proxy has returned", {{"origin", holder->address}});
        holder->connection.end(make_error_code(std::errc::operation_canceled),
                               "taken over by the same origin proxy");
    } else {
        known.takeovers.happened(Clock::now());
        log::info(
            "another run of the same origin proxy takes over",
            {{"name", holder->identity.name}, {"from", holder->address}, {"by", caller.peer}});
        holder->connection.finish("another origin proxy with the same identity took over");
    }
    lose(*holder);
    co_return true;
}

// Asks the origin proxy that has the place whether it is still there, and lets it go if it is not.
awaitable<bool> RemoteProxy::holder_answers(const std::string& place)
{
    const Flag probing(places_[place].probing);
    const OriginLink* const asked = holder_of(place);
    const std::uint64_t number = asked->number;
    const std::uint64_t received = asked->connection.received();
    const auto still_silent = [&] {
        const OriginLink* const link = link_of(number);
        return link != nullptr && link->connection.received() == received;
    };
    link_of(number)->connection.post(Probe());
    const auto patience = Clock::now() + options_.probe_timeout;
    while (still_silent() && Clock::now() < patience)
        co_await holder_spoke_.wait_until(patience);
    if (!still_silent())
        co_return link_of(number) != nullptr;
    OriginLink& silent = *link_of(number);
    silent.connection.end(make_error_code(Errc::heartbeat_timeout),
                          "another origin proxy asks for its place");
    lose(silent);
    co_return false;
}

// A bound for what is remembered of those who are gone.
void RemoteProxy::forget_places()
{
    constexpr std::size_t most_places = 4096;
    if (places_.size() < most_places)
        return;
    std::erase_if(places_, [this](const auto& entry) {
        const auto& [place, known] = entry;
        return !known.probing && !known.contending && holder_of(place) == nullptr;
    });
}

awaitable<void> RemoteProxy::serve_origin(Caller caller, LogIn log_in)
{
    const bool encrypted = bool(caller.tls);
    const std::string place = place_of(caller.identity.name);
    OriginLink link(std::move(caller.socket), std::move(caller.tls),
                    {options_.common.heartbeat_interval, options_.common.heartbeat_timeout},
                    log_in.origin, std::move(caller.identity), parking_space_);
    link.place = place;
    link.bandwidth = origin_bandwidths_.of(link.identity.name);
    links_.push_back(&link);
    forget_places();
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
    link.drained = kept_.drained_origins.contains(*link.name);
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
    note_client(*link.name, true);
    if (events_.is_heard())
        events_.publish("origin_came", to_line(Json{{"origin", *link.name},
                                                    {"address", link.address},
                                                    {"version", link.version}}));
    log::info("origin proxy logged in", {{"origin", link.address},
                                         {"name", link.identity.name},
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
                        to_line(Json{{"origin", *link.name},
                                     {"address", link.address},
                                     {"reason", link.goodbye.empty() ? reason : link.goodbye}}));
    if (!link.goodbye.empty())
        log::info("origin proxy left", {{"origin", link.address}, {"reason", link.goodbye}});
    else
        log::warn("lost the origin proxy", {{"origin", link.address}, {"reason", reason}});
}

void RemoteProxy::on_frame(OriginLink& link, Frame& frame)
{
    if (link_of(link.number) == nullptr && !std::holds_alternative<Goodbye>(frame))
        return; // it has been told to go
    holder_spoke_.notify();
    if (const auto* const refuse = std::get_if<Refuse>(&frame)) {
        if (room_.told_to(refuse->ticket) != link.number)
            return;
        if (auto visitor = room_.dismiss(refuse->ticket))
            on_refusal(std::move(*visitor), link.origin, refuse->text);
    } else if (std::holds_alternative<Heartbeat>(frame)) {
        link.parked.sweep();
        listen_again(link);
    } else if (const auto* const offer = std::get_if<Offer>(&frame)) {
        on_offer(link, *offer);
    } else if (const auto* const withdrawn = std::get_if<Withdraw>(&frame)) {
        withdraw(link, withdrawn->service);
    } else if (const auto* const health = std::get_if<ServerHealth>(&frame)) {
        on_health(link, *health);
    } else if (const auto* const notice = std::get_if<Notice>(&frame)) {
        log::warn("the origin proxy says", {{"origin", link.address}, {"notice", notice->text}});
    } else if (const auto* const goodbye = std::get_if<Goodbye>(&frame)) {
        link.goodbye = goodbye->text.empty() ? "goodbye" : goodbye->text;
    }
}

// The visitors who wait keep their places for whoever else serves them, now or later. A second time
// it does nothing.
void RemoteProxy::lose(OriginLink& link)
{
    if (std::erase(links_, &link) == 0)
        return;
    if (link.session) {
        std::rotate(former_sessions_.begin(), former_sessions_.end() - 1, former_sessions_.end());
        former_sessions_.front() = *link.session;
    }
    note_client(*link.name, client_named(client_identifier(*link.name)) != nullptr);
    link.parked.clear();
    room_.revoke_tickets(link.number);
    for (const ServicePointer& service : served_by(link))
        leave(*service, link);
    holder_spoke_.notify();
    visitor_left_.notify(); // drain() waits for the link's end too
}

// Whose secret is no longer in the file, or has another name there.
void RemoteProxy::cut_off_the_untrusted()
{
    const std::vector<OriginLink*> all = links_;
    for (OriginLink* const link : all) {
        link->place = place_of(link->identity.name);
        const auto served = std::ranges::find_if(
            services_, [link](const auto& entry) { return entry.second->server(link) != nullptr; });
        if (!link->offers_services && served != services_.end() &&
            !served->second->allows(link->identity.name)) {
            link->connection.finish("its service is for others now");
            lose(*link);
            continue;
        }
        if (!link->identity.credential)
            continue;
        const NamedSecret* const known = trust_.find(*link->identity.credential);
        if (known == nullptr || known->name != link->identity.name) {
            link->connection.finish("its secret is no longer good");
            lose(*link);
        }
    }
}

} // namespace tunnel
