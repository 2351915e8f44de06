// The origin proxy at the remote proxy: its log-in, its place, its control connection.
#include "remote-proxy/remote_proxy.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>
#include <poll.h>

#include "common/deadline.hpp"
#include "common/error.hpp"
#include "common/log.hpp"
#include "common/net/socket.hpp"
#include "common/security/proof.hpp"

namespace tunnel {

namespace {

// Origin proxies that are being told why they are rejected.
constexpr std::size_t most_rejected = 4;

// Whoever names a secret, which is public, may be asked for the proof, and take his time.
constexpr std::size_t most_challenged = 64;

// Is one more while it lives.
struct Counted {
    std::size_t& count;

    explicit Counted(std::size_t& which) : count(which) { ++count; }

    ~Counted() { --count; }
};

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
    if (!rejection && stopping_ && (link_ == nullptr || !is_holder(caller, log_in)))
        rejection = Reject{RejectReason::shutting_down, "the remote proxy is shutting down"};
    if (!rejection) {
        const bool free = co_await free_the_service(caller, log_in);
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
    if (challenged_ >= most_challenged)
        co_return Reject{RejectReason::not_trusted, "too many others are being asked for a proof"};
    const Counted counted(challenged_);
    const NamedSecret secret = *found; // the files may be read again meanwhile
    const RandomBytes nonce = random_bytes();
    const Key& key = secret.credential.log_in;
    const Challenge asked{nonce, prove(key, Role::remote, log_in, nonce)};
    try {
        const Deadline limit(caller.socket, options_.handshake_timeout);
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

// With a name it is the same wherever and however often it runs; without one, only the same run is.
bool RemoteProxy::is_holder(const Caller& caller, const LogIn& log_in) const
{
    if (link_->identity.name.empty() && caller.identity.name.empty())
        return link_->origin == log_in.origin;
    return link_->identity.name == caller.identity.name;
}

// The same origin proxy takes its own place over; another one gets the place only of a holder that
// does not answer. True: the place is free.
awaitable<bool> RemoteProxy::free_the_service(Caller& caller, const LogIn& log_in)
{
    bool told = false;
    while (link_ != nullptr && !is_holder(caller, log_in)) {
        if (probing_)
            co_return false; // one newcomer at a time; its holder is being asked already
        if (!std::exchange(told, true)) {
            const Notice notice{fmt::format("service \"{}\" is in use by another origin proxy; "
                                            "asking it whether it is still there",
                                            log_in.service)};
            co_await send(caller.wire(), encode(notice));
            continue; // the holder may have gone meanwhile
        }
        const bool answers = co_await holder_answers();
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
    const auto wait = takeovers_.wait(Clock::now());
    if (link_ != nullptr && link_->origin != log_in.origin && wait.count() > 0) {
        count(fights_, caller.peer, link_->identity.name);
        if (contending_)
            co_return false;
        const Flag contending(contending_);
        const Notice notice{
            fmt::format("another origin proxy has the identity of this one, \"{}\", "
                        "and the two take the place from each other: it is yours in "
                        "{}, stop one of them",
                        link_->identity.name, to_string(duration_cast<microseconds>(wait)))};
        co_await send(caller.wire(), encode(notice));
        co_await sleep_for(wait);
        pollfd gone{caller.socket.native_handle(), POLLRDHUP, 0};
        if (::poll(&gone, 1, 0) != 0)
            co_return false;
        if (link_ != nullptr && !is_holder(caller, log_in))
            co_return false;
    }
    if (link_ == nullptr)
        co_return true;
    if (link_->origin == log_in.origin) {
        log::info("the origin proxy has returned", {{"origin", link_->address}});
        link_->connection.end(make_error_code(std::errc::operation_canceled),
                              "taken over by the same origin proxy");
    } else {
        takeovers_.happened(Clock::now());
        log::info("another run of the same origin proxy takes over",
                  {{"name", link_->identity.name}, {"from", link_->address}, {"by", caller.peer}});
        link_->connection.finish("another origin proxy with the same identity took over");
    }
    lose_link();
    co_return true;
}

// Asks the origin proxy that is logged in whether it is still there, and lets it go if it is not.
awaitable<bool> RemoteProxy::holder_answers()
{
    const Flag probing(probing_);
    const OriginId holder = link_->origin;
    const std::uint64_t received = link_->connection.received();
    const auto still_silent = [&] {
        return link_ != nullptr && link_->origin == holder &&
               link_->connection.received() == received;
    };
    link_->connection.post(Probe());
    const auto patience = Clock::now() + options_.probe_timeout;
    while (still_silent() && Clock::now() < patience)
        co_await holder_spoke_.wait_until(patience);
    if (!still_silent())
        co_return link_ != nullptr;
    link_->connection.end(make_error_code(Errc::heartbeat_timeout),
                          "another origin proxy asks for its place");
    lose_link();
    co_return false;
}

awaitable<void> RemoteProxy::serve_origin(Caller caller, LogIn log_in)
{
    const bool encrypted = bool(caller.tls);
    OriginLink link(std::move(caller.socket), std::move(caller.tls),
                    {options_.common.heartbeat_interval, options_.common.heartbeat_timeout},
                    log_in.origin, std::move(caller.identity));
    if (!stopping_)
        outside_.open();
    link_ = &link;
    outage_ends_.reset();
    outside_opened_.notify();
    link.connection.set_peer_timeout(log_in.heartbeat_timeout);
    Welcome welcome;
    welcome.version = common_version(log_in.lowest_version, log_in.highest_version).value();
    welcome.program_version = TUNNEL_VERSION;
    welcome.outside_address = to_string(outside_.endpoint());
    welcome.heartbeat_timeout = options_.common.heartbeat_timeout;
    link.parking = std::ranges::find(log_in.features, parking) != log_in.features.end();
    if (link.parking || link.identity.session_key)
        link.session = SessionId{random_bytes()};
    welcome.session = link.session;
    link.connection.post(welcome);
    log::info("origin proxy logged in", {{"origin", link.address},
                                         {"name", link.identity.name},
                                         {"encrypted", encrypted ? "yes" : "no"},
                                         {"version", log_in.program_version}});
    tell_visitors();

    const std::function<void(Frame&)> on_each = [this, &link](Frame& frame) {
        on_frame(link, frame);
    };
    std::string reason;
    try {
        co_await link.connection.run(on_each);
    } catch (const std::system_error& error) {
        reason = error.what();
    }
    if (link_ == &link)
        lose_link();
    if (!link.goodbye.empty())
        log::info("origin proxy left", {{"origin", link.address}, {"reason", link.goodbye}});
    else
        log::warn("lost the origin proxy", {{"origin", link.address}, {"reason", reason}});
}

void RemoteProxy::on_frame(OriginLink& link, Frame& frame)
{
    if (link_ != &link && !std::holds_alternative<Goodbye>(frame))
        return; // it has been told to go
    holder_spoke_.notify();
    if (const auto* const refuse = std::get_if<Refuse>(&frame)) {
        if (auto visitor = room_.dismiss(refuse->ticket))
            turn_away(std::move(*visitor), refuse->text);
    } else if (std::holds_alternative<Heartbeat>(frame)) {
        parked_.sweep();
    } else if (const auto* const notice = std::get_if<Notice>(&frame)) {
        log::warn("the origin proxy says", {{"origin", link.address}, {"notice", notice->text}});
    } else if (const auto* const goodbye = std::get_if<Goodbye>(&frame)) {
        link.goodbye = goodbye->text.empty() ? "goodbye" : goodbye->text;
    }
}

void RemoteProxy::tell_visitors()
{
    if (link_ == nullptr)
        return;
    std::vector<Ticket> not_for_this_one;
    room_.hand_out_tickets([&](const Ticket& ticket, const Visitor& visitor) {
        if (visitor.sent_to && *visitor.sent_to != link_->origin)
            not_for_this_one.push_back(ticket);
        else
            link_->announce(ticket, visitor);
    });
    for (const Ticket& ticket : not_for_this_one) {
        if (auto visitor = room_.dismiss(ticket))
            turn_away(std::move(*visitor), "its first bytes went to an origin proxy that is gone");
    }
}

// The visitors who wait keep their places for the origin proxy that comes next.
void RemoteProxy::lose_link()
{
    if (link_->session) {
        std::rotate(former_sessions_.begin(), former_sessions_.end() - 1, former_sessions_.end());
        former_sessions_.front() = *link_->session;
    }
    link_ = nullptr;
    parked_.clear();
    room_.revoke_tickets();
    outage_ends_ = Clock::now() + options_.pairing_timeout;
    be_woken_at(*outage_ends_);
    holder_spoke_.notify();
    visitor_left_.notify(); // drain() waits for the link's end too
}

} // namespace tunnel
