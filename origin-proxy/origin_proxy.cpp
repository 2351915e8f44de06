#include "origin-proxy/origin_proxy.hpp"

#include <algorithm>
#include <cerrno>
#include <random>
#include <utility>

#include <fmt/format.h>

#include "common/backoff.hpp"
#include "common/deadline.hpp"
#include "common/descriptors.hpp"
#include "common/error.hpp"
#include "common/log.hpp"
#include "common/net/dial.hpp"
#include "common/net/socket.hpp"
#include "common/relay/describe.hpp"
#include "common/security/proof.hpp"

namespace tunnel {

namespace {

// Announcements that wait for descriptors; a remote proxy with a larger room is refused the rest.
constexpr std::size_t most_announced = 16'384;

// Tickets of visitors who came lately. One that broke is announced again within seconds.
constexpr std::size_t most_remembered = 16'384;

// A visitor takes two descriptors; an eighth of all is left for addresses that are raced.
std::size_t visitor_capacity(const OriginOptions& options)
{
    const std::size_t usable = usable_descriptors(
        options.descriptor_limit, relay_options(options.common, options.descriptor_limit));
    const std::size_t parked = parking_capacity(options.descriptor_limit);
    return std::max<std::size_t>(1, (usable - std::min(usable, parked)) * 7 / 16);
}

} // namespace

void OriginProxy::Tickets::insert(const Ticket& ticket)
{
    if (!tickets_.insert(ticket).second)
        return;
    by_age_.push_back(ticket);
    if (by_age_.size() > most_remembered) {
        tickets_.erase(by_age_.front());
        by_age_.pop_front();
    }
}

void OriginProxy::Tickets::clear()
{
    tickets_.clear();
    by_age_.clear();
}

struct OriginProxy::Visit {
    Announce announce;
    Clock::time_point began = Clock::now();
    Fd origin_server;       // prepared, once connected
    Framed data;            // as well
    bool presented = false; // the ticket is on its way, so all else goes there too
    bool started = false;   // the start frame has been sent
    std::string failure;    // the first; empty while there is none
    Session session;
};

OriginProxy::OriginProxy(asio::io_context& io, const OriginOptions& options, OnReady on_ready)
    : OriginProxy(io, options, TrustedRemote(options.trust, options.remote_proxy_address.host),
                  std::move(on_ready))
{
}

OriginProxy::OriginProxy(asio::io_context& io, const OriginOptions& options, TrustedRemote trust,
                         OnReady on_ready)
    : io_(io),
      options_(options),
      visitor_capacity_(visitor_capacity(options)),
      on_ready_(std::move(on_ready)),
      origin_server_(io.get_executor(), options.origin_server_address, options.dial_timeout,
                     options.common.congestion),
      trust_(std::move(trust)),
      dialler_(io, options.dial_timeout, options.common.congestion),
      id_{random_bytes()},
      retry_(io.get_executor()),
      visitor_left_(io.get_executor()),
      relay_(relay_options(options.common, options.descriptor_limit)),
      loop_(io, relay_, options.common.spin),
      tasks_(io.get_executor()),
      parking_(io, tasks_, dialler_,
               {options.parked_connections, parking_capacity(options.descriptor_limit),
                options.parked_for},
               [this](Announce&& announce, Framed&& connection) {
                   on_parked_announce(std::move(announce), std::move(connection));
               })
{
}

void OriginProxy::start()
{
    tasks_.spawn("staying connected", stay_connected());
    if (parking_.wanted())
        tasks_.spawn("tending parked connections", parking_.tend());
}

void OriginProxy::stop_gently()
{
    stopping_ = true;
    log::info("stopping", {{"visitors", visitors()}, {"grace", options_.common.grace_period}});
    if (link_ != nullptr)
        link_->finish("the origin proxy is shutting down");
    retry_.notify();
    tasks_.spawn("stopping", drain());
}

awaitable<void> OriginProxy::drain()
{
    const auto deadline = Clock::now() + options_.common.grace_period;
    while (visitors() > 0 && Clock::now() < deadline)
        co_await visitor_left_.wait_until(deadline);
    const auto patience = Clock::now() + std::chrono::seconds(1);
    while (link_ != nullptr && Clock::now() < patience)
        co_await visitor_left_.wait_until(patience);
    stop_now();
}

void OriginProxy::stop_now()
{
    if (std::exchange(stopped_, true))
        return;
    stopping_ = true;
    relay_.stop();
    parking_.close(); // nothing may be parked any more: it would not be cancelled
    tasks_.cancel();
}

void OriginProxy::reconnect_now()
{
    try {
        trust_ = TrustedRemote(options_.trust, options_.remote_proxy_address.host);
        ++reloads_;
    } catch (const std::runtime_error& error) {
        log::error("cannot reload, so nothing has changed", {{"reason", error.what()}});
    }
    log::info("reconnecting on request");
    reconnect_ = true;
    if (link_ != nullptr)
        link_->finish("reconnecting on request");
    retry_.notify();
}

// ---- The control connection

// Has no normal end but that of the program: a connection that is lost is made anew.
awaitable<void> OriginProxy::stay_connected()
{
    Backoff backoff(options_.first_retry, options_.slowest_retry);
    std::random_device random;
    std::uint32_t failures = 0;
    for (;;) {
        const auto began = Clock::now();
        welcome_ = false;
        std::string reason;
        try {
            co_await follow();
        } catch (const std::system_error& error) {
            // In TLS 1.3 it comes when this side has agreed already, instead of the first frame.
            const bool refused =
                error.code() == std::error_code(EKEYREJECTED, std::system_category());
            reason = refused ? make_error_code(Errc::certificate_refused).message() : error.what();
        } catch (const std::runtime_error& error) { // of the library, for want of memory
            reason = error.what();
        }
        if (stopping_)
            co_return;
        if (welcome_)
            failures = 0;
        if (std::exchange(reconnect_, false)) {
            backoff.reset();
            continue;
        }
        if (options_.max_retries && failures++ >= *options_.max_retries) {
            log::error(welcome_ ? "lost the remote proxy" : "cannot log in to the remote proxy",
                       {{"remote", to_string(options_.remote_proxy_address)},
                        {"reason", reason},
                        {"retries", *options_.max_retries}});
            gave_up_ = true;
            co_await drain();
            co_return;
        }
        if (welcome_ && Clock::now() - began >= options_.healthy_spell)
            backoff.reset();
        const auto wait = backoff.next(random());
        log::warn(welcome_ ? "lost the remote proxy" : "cannot log in to the remote proxy",
                  {{"remote", to_string(options_.remote_proxy_address)},
                   {"reason", reason},
                   {"retry-in", wait}});
        const auto next_try = Clock::now() + wait;
        while (Clock::now() < next_try && !reconnect_ && !stopping_)
            co_await retry_.wait_until(next_try);
        reconnect_ = false;
        if (stopping_)
            co_return;
    }
}

// One control connection, from the look-up of the remote proxy's name to the connection's end.
awaitable<void> OriginProxy::follow()
{
    const auto endpoints = co_await resolve(options_.remote_proxy_address, options_.dial_timeout);
    Dial dial(io_.get_executor(), endpoints, options_.dial_timeout, options_.common.congestion,
              Hop::between);
    Dialled dialled = co_await dial.finish();
    tcp::socket socket(io_);
    socket.assign(dialled.peer.protocol(), dialled.socket.get());
    dialled.socket.release();
    LogIn log_in;
    log_in.program_version = TUNNEL_VERSION;
    log_in.origin = id_;
    log_in.heartbeat_timeout = options_.common.heartbeat_timeout;
    if (parking_.wanted())
        log_in.features.emplace_back(parking);
    Tls tls;
    co_await agree(socket, tls, log_in);

    ControlConnection connection(
        std::move(socket), {options_.common.heartbeat_interval, options_.common.heartbeat_timeout},
        std::move(tls));

    struct Linked {
        OriginProxy& proxy;

        Linked(OriginProxy& owner, ControlConnection& link) : proxy(owner) { proxy.link_ = &link; }

        ~Linked()
        {
            proxy.link_ = nullptr;
            proxy.parking_.close();
            proxy.announced_.clear(); // their tickets are void
            proxy.told_.clear();      // who waits is announced again, with the same ticket
            proxy.visitor_left_.notify();
        }
    };

    const Linked linked(*this, connection);
    if (stopping_)
        co_return;
    const std::function<void(Frame&)> on_each = [this](Frame& frame) { on_frame(frame); };
    co_await connection.run(on_each);
}

// Up to the log-in, and to the proofs of the secret if it goes without encryption.
awaitable<void> OriginProxy::agree(tcp::socket& socket, Tls& tls, LogIn& log_in)
{
    session_key_.reset();
    agreed_at_ = reloads_;
    encrypted_ = trust_.encrypts();
    const Deadline limit(socket, options_.dial_timeout);
    try {
        if (encrypted_)
            session_key_ = co_await trust_.shake_hands(socket, tls);
        else if (trust_.proves())
            trust_.claim(log_in);
        const Wire wire(socket, &tls);
        std::string hello(magic.begin(), magic.end());
        hello += encode(log_in);
        co_await send(wire, std::move(hello));
        if (log_in.claimed)
            session_key_ = co_await trust_.answer_challenge(wire, log_in);
    } catch (const std::system_error&) {
        if (limit.passed())
            fail(asio::error::timed_out, "the remote proxy does not answer");
        throw;
    }
}

void OriginProxy::on_frame(Frame& frame)
{
    if (auto* const announce = std::get_if<Announce>(&frame)) {
        on_announce(*announce);
    } else if (const auto* const welcome = std::get_if<Welcome>(&frame)) {
        welcome_ = true;
        on_welcome(*welcome);
    } else if (const auto* const reject = std::get_if<Reject>(&frame)) {
        link_->end(make_error_code(Errc::rejected), reject->text);
    } else if (const auto* const notice = std::get_if<Notice>(&frame)) {
        log::warn("the remote proxy says", {{"notice", notice->text}});
    } else if (const auto* const goodbye = std::get_if<Goodbye>(&frame)) {
        link_->end(make_error_code(Errc::closed_by_peer), goodbye->text);
    }
}

void OriginProxy::on_welcome(const Welcome& welcome)
{
    if (session_key_ && !welcome.session) {
        link_->end(make_error_code(Errc::unexpected_frame), "a welcome without a session");
        return;
    }
    if (agreed_at_ == reloads_)
        reconnect_ = false; // asked for while this connection was being made
    else
        link_->finish("reconnecting on request"); // with what the files say now
    link_->set_peer_timeout(welcome.heartbeat_timeout);
    session_ = {link_->peer(), welcome.session.value_or(SessionId()), session_key_,
                welcome.session.has_value(), encrypted_};
    log::info("logged in", {{"remote", to_string(link_->peer())},
                            {"outside", welcome.outside_address},
                            {"encrypted", encrypted_ ? "yes" : "no"},
                            {"version", welcome.program_version}});
    if (session_.framed && parking_.wanted())
        parking_.open(session_);
    if (on_ready_)
        std::exchange(on_ready_, nullptr)(link_->peer(), welcome.outside_address);
}

// ---- Visitors

void OriginProxy::on_announce(Announce& announce)
{
    log::debug("new client", {{"visitor", announce.visitor}});
    if (stopping_) // its visitor waits for the next origin proxy
        return;
    std::string_view objection;
    if (announce.service != default_service)
        objection = "the origin proxy has no such service";
    else if (announced_.size() >= most_announced)
        objection = "the origin proxy has too many visitors";
    else if (taken_.contains(announce.ticket) || told_.contains(announce.ticket))
        objection = "its data connection broke";
    if (!objection.empty()) {
        const Refuse refuse{announce.ticket, std::string(objection)};
        link_->post(refuse);
        return;
    }
    told_.insert(announce.ticket);
    announced_.push_back(std::move(announce));
    start_visits();
    parking_.missed();
}

void OriginProxy::on_parked_announce(Announce&& announce, Framed&& connection)
{
    log::debug("new client", {{"visitor", announce.visitor}, {"parked", parking_.size()}});
    if (stopping_ || visitors_ >= visitor_capacity_) // it is announced again when this one closes
        return;
    ++visitors_;
    Visit visit{std::move(announce), Clock::now(), {}, {}, true, true, {}, session_};
    auto dial = origin_server_.begin();
    if (auto connected = dial ? dial->take_connected() : std::nullopt;
        connected && visit.announce.service == default_service) {
        // All that is known at once needs no coroutine.
        prepare_stream(connected->socket.get());
        visit.origin_server = std::move(connected->socket);
        relay_parked(visit, std::move(connection));
        return;
    }
    tasks_.spawn("serving a visitor",
                 serve_parked(std::move(visit), std::move(dial), std::move(connection)));
}

void OriginProxy::start_visits()
{
    if (std::exchange(starting_, true))
        return; // one of them has ended at once, and the loop goes on below it
    while (!stopping_ && link_ != nullptr && !announced_.empty() && visitors_ < visitor_capacity_) {
        ++visitors_;
        Announce next = std::move(announced_.front());
        announced_.pop_front(); // before it is served: it may end, and call this, at once
        tasks_.spawn("serving a visitor", serve(std::move(next), session_));
    }
    starting_ = false;
}

awaitable<void> OriginProxy::serve(Announce announce, Session session)
{
    using namespace asio::experimental::awaitable_operators;
    Visit visit{std::move(announce), Clock::now(), {}, {}, false, false, {}, std::move(session)};
    // Side by side: the slower one decides how long the visitor waits.
    auto to_server = origin_server_.begin();
    Dial back = dialler_.begin(visit.session);
    // Neither throws. What is decided already needs no waiting, and waiting for two has its price.
    const bool at_once = to_server && to_server->decided() && back.decided();
    if (at_once) {
        co_await connect_origin_server(visit, std::move(to_server));
        co_await dial_back(visit, std::move(back));
    } else {
        co_await (connect_origin_server(visit, std::move(to_server)) &&
                  dial_back(visit, std::move(back)));
    }
    if (visit.data.socket.is_open() && !visit.started)
        conclude(visit);
    if (visit.failure.empty()) {
        relay(visit, std::move(visit.data));
    } else {
        reset(visit.origin_server);
        log_visitor_end(visit.announce.visitor, 0, 0, Clock::now() - visit.began, visit.failure);
        visitor_ended();
    }
}

// Says on the data connection what became of the origin server. A refusal that came on the control
// connection could be overtaken by the data connection's end, and the reason would be lost.
void OriginProxy::conclude(Visit& visit)
{
    Frame frame = Start();
    if (!visit.failure.empty())
        frame = Refuse{visit.announce.ticket, visit.failure};
    const std::error_code error = send_at_once(visit.data.side(), encode(frame));
    if (error && visit.failure.empty())
        visit.failure = fmt::format("lost its data connection: {}", error.message());
    else if (!visit.failure.empty())
        allow_clean_close(visit.data.socket.get());
}

awaitable<void> OriginProxy::connect_origin_server(Visit& visit, std::optional<Dial> begun)
{
    const ControlConnection* const link = link_;
    try {
        auto socket = co_await origin_server_.dial(std::move(begun));
        prepare_stream(socket.get());
        visit.origin_server = std::move(socket);
    } catch (const std::system_error& error) {
        const std::string why =
            fmt::format("origin server {}: {}", to_string(options_.origin_server_address),
                        error.code().message());
        if (visit.failure.empty())
            visit.failure = why;
        if (!visit.presented && link_ == link && link_ != nullptr) {
            const Refuse refuse{visit.announce.ticket, why};
            link_->post(refuse);
        }
    }
}

awaitable<void> OriginProxy::dial_back(Visit& visit, Dial begun)
{
    const ControlConnection* const link = link_;
    try {
        Framed data =
            co_await dialler_.finish(std::move(begun), visit.session, visit.announce.ticket.bytes);
        if (!visit.failure.empty())
            co_return;
        DialBack ticket{visit.announce.ticket};
        if (visit.session.proves())
            ticket.proof = prove_dial_back(*visit.session.key, ticket.ticket);
        std::string hello(magic.begin(), magic.end());
        hello += encode(ticket);
        visit.presented = true;
        visit.started = visit.origin_server.is_open();
        if (visit.started)
            hello += encode(Start());
        if (const std::error_code error = send_at_once(data.side(), hello))
            throw std::system_error(error);
        visit.data = std::move(data);
    } catch (const std::system_error& error) {
        if (!visit.failure.empty())
            co_return;
        visit.failure = fmt::format("cannot connect to the remote proxy {}: {}",
                                    to_string(visit.session.remote), error.code().message());
        // Also if it broke while the ticket was sent: the remote proxy may never have read it.
        if (link_ == link && link_ != nullptr) {
            const Refuse refuse{visit.announce.ticket, visit.failure};
            link_->post(refuse);
        }
    }
}

// The data connection is there already, and the visitor's first bytes with it, perhaps.
awaitable<void> OriginProxy::serve_parked(Visit visit, std::optional<Dial> to_server,
                                          Framed connection)
{
    if (visit.announce.service == default_service)
        co_await connect_origin_server(visit, std::move(to_server));
    else
        visit.failure = "the origin proxy has no such service";
    if (visit.failure.empty()) {
        relay_parked(visit, std::move(connection));
        co_return;
    }
    log_visitor_end(visit.announce.visitor, 0, 0, Clock::now() - visit.began, visit.failure);
    visitor_ended();
    Refuse refuse{visit.announce.ticket, visit.failure};
    co_await refuse_parked(std::move(connection), visit.session.remote, std::move(refuse));
}

awaitable<void> OriginProxy::refuse_parked(Framed connection, tcp::endpoint remote, Refuse refuse)
{
    tcp::socket socket(io_);
    socket.assign(remote.protocol(), connection.socket.get());
    connection.socket.release();
    const Wire wire(socket, &connection.tls);
    co_await send_last(wire, encode(refuse));
}

void OriginProxy::relay_parked(Visit& visit, Framed connection)
{
    if (taken_.contains(visit.announce.ticket) || told_.contains(visit.announce.ticket)) {
        // Announced on the control connection meanwhile, since this one broke: served there.
        visitor_ended();
        return;
    }
    taken_.insert(visit.announce.ticket);
    connection.unsent = encode(Start());
    connection.unsent_may_wait = true; // the answer says the same
    relay(visit, std::move(connection));
}

void OriginProxy::relay(Visit& visit, Framed data)
{
    auto done = [this, visitor = std::move(visit.announce.visitor), began = visit.began,
                 session = visit.session.id](Flow& flow) {
        asio::post(io_, [this, visitor, began, session, flow = std::move(flow)]() mutable {
            log_visitor_end(visitor, flow.second_to_first, flow.first_to_second,
                            Clock::now() - began,
                            describe(flow.end, "origin server", "remote side"));
            if (flow.second.socket.is_open())
                parking_.put(std::move(flow.second), session);
            visitor_ended();
        });
    };
    if (visit.session.framed)
        relay_.hand_over(std::move(visit.origin_server), std::move(data), std::move(done));
    else
        relay_.hand_over(std::move(visit.origin_server), std::move(data.socket), std::move(done));
}

void OriginProxy::visitor_ended()
{
    --visitors_;
    visitor_left_.notify();
    start_visits();
}

} // namespace tunnel
