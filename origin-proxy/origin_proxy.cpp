#include "origin-proxy/origin_proxy.hpp"

#include <algorithm>
#include <cerrno>
#include <random>
#include <utility>

#include "common/backoff.hpp"
#include "common/deadline.hpp"
#include "common/descriptors.hpp"
#include "common/error.hpp"
#include "common/log.hpp"
#include "common/net/dial.hpp"
#include "common/net/socket.hpp"

namespace tunnel {

namespace {

// A visitor takes two descriptors; an eighth of all is left for addresses that are raced.
std::size_t visitor_capacity(const OriginOptions& options)
{
    const std::size_t usable = usable_descriptors(
        options.descriptor_limit, relay_options(options.common, options.descriptor_limit));
    const std::size_t parked = parking_capacity(options.descriptor_limit);
    return std::max<std::size_t>(1, (usable - std::min(usable, parked)) * 7 / 16);
}

std::vector<OriginService> services_of(const OriginOptions& options)
{
    if (!options.services.empty())
        return options.services;
    return {{std::string(default_service), options.origin_server_address, std::nullopt,
             options.proxy_protocol}};
}

} // namespace

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
      services_({io.get_executor(), options.dial_timeout, options.common.congestion},
                services_of(options)),
      offering_(!options.services.empty()),
      trust_(std::move(trust)),
      dialler_(io, options.dial_timeout, options.common.congestion),
      id_{random_bytes()},
      retry_(io.get_executor()),
      answered_(io.get_executor()),
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
    connect_anew();
}

void OriginProxy::connect_anew()
{
    log::info("reconnecting on request");
    reconnect_ = true;
    if (link_ != nullptr)
        link_->finish("reconnecting on request");
    retry_.notify();
}

void OriginProxy::change_services(const std::vector<OriginService>& wanted)
{
    const std::vector<Frame> changes = services_.change(wanted);
    answered_.notify();                    // perhaps by those that are left
    if (!std::exchange(offering_, true)) { // that is agreed on at log-in
        connect_anew();
        return;
    }
    if (!logged_in())
        return;
    for (const Frame& change : changes)
        link_->post(change);
}

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
    ++counts_.connects;
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
    if (offering_)
        log_in.features.emplace_back(services);
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
            proxy.answered_.notify();
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
        on_welcome(*welcome);
    } else if (const auto* const opened = std::get_if<Opened>(&frame)) {
        services_.on_opened(*opened);
        answered_.notify();
    } else if (const auto* const declined = std::get_if<Declined>(&frame)) {
        services_.on_declined(*declined);
        answered_.notify();
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
    if (offering_ && std::ranges::find(welcome.features, services) == welcome.features.end()) {
        link_->end(make_error_code(std::errc::operation_not_supported),
                   "the remote proxy is too old to open services by name, or not set up for it");
        return;
    }
    welcome_ = true;
    ++log_ins_;
    if (agreed_at_ == reloads_)
        reconnect_ = false; // asked for while this connection was being made
    else
        link_->finish("reconnecting on request"); // with what the files say now
    link_->set_peer_timeout(welcome.heartbeat_timeout);
    session_ = {link_->peer(), welcome.session.value_or(SessionId()), session_key_,
                welcome.session.has_value(), encrypted_};
    log::info("logged in", {{"remote", to_string(link_->peer())},
                            offering_ ? log::Field("services", services_.size())
                                      : log::Field("outside", welcome.outside_address),
                            {"encrypted", encrypted_ ? "yes" : "no"},
                            {"version", welcome.program_version}});
    if (session_.framed && parking_.wanted())
        parking_.open(session_);
    begin_services(welcome);
}

void OriginProxy::begin_services(const Welcome& welcome)
{
    if (!offering_) {
        if (on_ready_)
            std::exchange(on_ready_, nullptr)(
                link_->peer(), {{std::string(default_service), welcome.outside_address}});
        return;
    }
    for (const Frame& offer : services_.offer_all())
        link_->post(offer);
    if (on_ready_)
        tasks_.spawn("waiting for services", tell_when_answered(log_ins_));
}

// Once all offers have been answered; but one that is not must not keep the others from being told
// of.
awaitable<void> OriginProxy::tell_when_answered(std::uint64_t log_in)
{
    const auto limit = Clock::now() + options_.answered_within;
    const auto holds = [this, log_in] { return link_ != nullptr && log_ins_ == log_in; };
    while (holds() && !services_.answered() && Clock::now() < limit)
        co_await answered_.wait_until(limit);
    if (holds() && on_ready_) // else the next log-in tells it
        std::exchange(on_ready_, nullptr)(session_.remote, services_.opened());
}

} // namespace tunnel
