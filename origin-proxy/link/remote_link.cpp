#include "origin-proxy/link/remote_link.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <random>
#include <utility>

#include <sys/socket.h>

#include "common/base/backoff.hpp"
#include "common/base/deadline.hpp"
#include "common/base/error.hpp"
#include "common/base/log.hpp"
#include "common/protocol/foreign.hpp"
#include "common/protocol/goodbyes.hpp"
#include "common/relay/descriptors.hpp"
#include "common/transport/dial.hpp"
#include "common/transport/socket.hpp"

namespace tunnel {

std::vector<OriginService> services_of(const OriginOptions& options)
{
    if (!options.services.empty())
        return options.services;
    OriginService only{std::string(default_service), options.origin_server_address};
    only.rules = options.rules;
    return {only};
}

namespace {

// A part of the eighth of all descriptors that is left for more than visitors; each remote proxy is
// told of what is seen for it.
std::size_t checks_at_once(const OriginOptions& options, std::size_t links)
{
    constexpr std::size_t most = 256;
    return std::clamp<std::size_t>(options.descriptor_limit / 64 / links, 1, most);
}

} // namespace

RemoteLink::Shared::Shared(asio::io_context& context, const OriginOptions& told)
    : io(context),
      options(told),
      services({io.get_executor(), options.dial_timeout, options.common.congestion},
               services_of(options)),
      offering(!options.services.empty()),
      dialler(io, options.dial_timeout, options.common.congestion),
      relay(relay_options(options.common, options.descriptor_limit)),
      bandwidth(options.bandwidth_per_origin),
      places(0)
{
}

RemoteLink::RemoteLink(Shared& shared, Address address, TrustedRemote trust, OnReady on_ready)
    : io_(shared.io),
      shared_(shared),
      options_(shared.options),
      services_(shared.services),
      dialler_(shared.dialler),
      relay_(shared.relay),
      address_(std::move(address)),
      on_ready_(std::move(on_ready)),
      places_(shared.places),
      offers_(services_, to_string(address_)),
      trust_(std::move(trust)),
      id_{random_bytes()},
      retry_(io_.get_executor()),
      answered_(io_.get_executor()),
      tasks_(io_.get_executor()),
      checks_(
          io_.get_executor(), tasks_, checks_at_once(options_, 1),
          [this](const Service& service, const std::string& why) { tell_health(service, why); }),
      parking_(io_, tasks_, dialler_, {options_.parked_connections, 0, options_.parked_for},
               [this](Announce&& announce, Channel&& connection) {
                   on_parked_announce(std::move(announce), std::move(connection));
               })
{
}

void RemoteLink::divide(std::size_t links)
{
    parking_.set_capacity(parking_capacity(options_.descriptor_limit) / links);
    checks_.set_at_once(checks_at_once(options_, links));
}

void RemoteLink::start()
{
    tasks_.spawn("staying connected", stay_connected());
    if (parking_.wanted())
        tasks_.spawn("tending parked connections", parking_.tend());
}

void RemoteLink::leave(std::string goodbye)
{
    stopping_ = true;
    places_.close();
    if (link_ != nullptr)
        link_->finish(std::move(goodbye));
    retry_.notify();
}

void RemoteLink::stop_now()
{
    if (std::exchange(stopped_, true))
        return;
    stopping_ = true;
    parking_.close(); // nothing may be parked any more: it would not be cancelled
    tasks_.cancel();
}

void RemoteLink::trust(TrustedRemote fresh)
{
    const bool same = fresh.same_as(trust_);
    trust_ = std::move(fresh);
    if (!same)
        connect_anew();
    else if (!logged_in())
        try_now();
}

void RemoteLink::connect_anew()
{
    log::info("reconnecting on request", {{"remote", to_string(address_)}});
    ++asked_anew_;
    if (link_ != nullptr)
        link_->finish("reconnecting on request");
    try_now();
}

void RemoteLink::try_now()
{
    if (std::exchange(gave_up_, false)) {
        tasks_.spawn("staying connected", stay_connected());
        return;
    }
    reconnect_ = true;
    retry_.notify();
}

void RemoteLink::tell_changes()
{
    const std::vector<Frame> changes = offers_.catch_up();
    answered_.notify(); // perhaps by those that are left
    if (!logged_in())
        return;
    for (const Frame& change : changes)
        link_->post(change);
    check_servers();
}

// Has no normal end but that of the program: a connection that is lost is made anew.
awaitable<void> RemoteLink::stay_connected()
{
    Backoff backoff(options_.first_retry, options_.slowest_retry);
    std::random_device random;
    std::uint32_t failures = 0;
    for (;;) {
        const auto began = Clock::now();
        welcome_ = false;
        goodbye_.clear();
        std::string reason;
        try {
            co_await follow();
        } catch (const std::system_error& error) {
            // In TLS 1.3 it comes when this side has agreed already, instead of the first frame.
            const bool refused =
                error.code() == std::error_code(EKEYREJECTED, std::system_category());
            reason = refused ? make_error_code(Errc::certificate_refused).message() : error.what();
            if (!welcome_ && error.code() == Errc::closed_by_peer)
                reason += " (--remote-proxy-addr must be the --control-addr of the remote proxy)";
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
                       {{"remote", to_string(address_)},
                        {"reason", reason},
                        {"retries", *options_.max_retries}});
            gave_up_ = true;
            shared_.gave_up();
            co_return;
        }
        const auto lived = Clock::now() - began;
        if (welcome_ && lived >= options_.healthy_spell)
            backoff.reset();
        const auto wait = backoff.next(random());
        log_end(reason, lived, wait);
        const auto next_try = Clock::now() + wait;
        while (Clock::now() < next_try && !reconnect_ && !stopping_)
            co_await retry_.wait_until(next_try);
        reconnect_ = false;
        if (stopping_)
            co_return;
    }
}

// Of one that fails in the same way again and again only now and then; the other times are details.
void RemoteLink::log_end(const std::string& reason, Clock::duration lived, Clock::duration retry_in)
{
    if (lived >= options_.healthy_spell)
        short_log_ins_.recovered();
    RepeatedFailure& series = welcome_ ? short_log_ins_ : failed_log_ins_;
    const bool is_to_be_told = series.happened(reason, Clock::now());
    const bool is_stopping = goodbye_ == remote_is_stopping;
    log::Level level = is_stopping ? log::Level::info : log::Level::warn;
    if (!is_to_be_told)
        level = log::Level::debug;
    std::string_view message = "cannot log in to the remote proxy";
    if (welcome_)
        message = is_stopping ? "remote proxy left" : "lost the remote proxy";
    log::write(level, message,
               {{"remote", to_string(address_)},
                {"reason", goodbye_.empty() ? reason : goodbye_},
                {"failures", series.failures()},
                {"retry-in", retry_in}},
               is_to_be_told ? log::Limit::by_peer : log::Limit::none);
}

// One control connection, from the look-up of the remote proxy's name to the connection's end.
awaitable<void> RemoteLink::follow()
{
    ++shared_.counts.connects;
    const auto found = co_await resolve(address_, options_.dial_timeout);
    Dialled dialled = co_await dial_one_of(found);
    AsyncChannel channel(io_, dialled.peer.protocol(), std::move(dialled.socket));
    LogIn log_in;
    log_in.program_version = TUNNEL_VERSION;
    log_in.origin = id_;
    log_in.name = options_.name;
    log_in.heartbeat_timeout = options_.common.heartbeat_timeout;
    if (parking_.wanted())
        log_in.features.emplace_back(feature::parking);
    if (shared_.offering)
        log_in.features.emplace_back(feature::services);
    log_in.features.emplace_back(feature::health_checks);
    log_in.features.emplace_back(feature::visitor_headers);
    co_await agree(channel, log_in);

    ControlConnection connection(std::move(channel), {options_.common.heartbeat_interval,
                                                      options_.common.heartbeat_timeout});

    struct Linked {
        RemoteLink& proxy;

        Linked(RemoteLink& owner, ControlConnection& link) : proxy(owner) { proxy.link_ = &link; }

        ~Linked()
        {
            proxy.link_ = nullptr;
            proxy.checks_.stop();
            proxy.parking_.close();
            proxy.announced_.clear(); // their tickets are void
            proxy.told_.clear();      // who waits is announced again, with the same ticket
            proxy.answered_.notify();
            proxy.shared_.something_ended();
        }
    };

    const Linked linked(*this, connection);
    if (stopping_)
        co_return;
    const std::function<void(Frame&)> on_each = [this](Frame& frame) { on_frame(frame); };
    co_await connection.run(on_each);
}

// Of the addresses behind the remote proxy's name.
awaitable<Dialled> RemoteLink::dial_one_of(std::vector<tcp::endpoint> found)
{
    Dial dial(io_.get_executor(), order_.arrange(found), options_.dial_timeout,
              options_.common.congestion, Hop::between);
    try {
        Dialled dialled = co_await dial.finish();
        order_.connected(dialled.peer);
        co_return std::move(dialled);
    } catch (const std::system_error& error) {
        if (error.code() != asio::error::operation_aborted)
            order_.failed();
        throw;
    }
}

// Waits for the first bytes of an answer in clear. Throws std::system_error if no remote proxy says
// that: a web server's answer could be taken for a frame of which the rest has not come yet.
awaitable<void> RemoteLink::expect_frames(tcp::socket& socket)
{
    co_await socket.async_wait(tcp::socket::wait_read, use_awaitable);
    std::array<std::uint8_t, foreign_bytes> bytes{};
    const ssize_t size =
        ::recv(socket.native_handle(), bytes.data(), bytes.size(), MSG_PEEK | MSG_DONTWAIT);
    if (size <= 0) // what is wrong, the next read says
        co_return;
    const std::string_view answer(reinterpret_cast<const char*>(bytes.data()),
                                  static_cast<std::size_t>(size));
    if (!may_begin_frames(answer))
        fail(make_error_code(Errc::not_our_protocol), not_a_remote_proxy(answer));
}

// Up to the log-in, and to the proofs of the secret if it goes without encryption.
awaitable<void> RemoteLink::agree(AsyncChannel& channel, LogIn& log_in)
{
    session_key_.reset();
    agreed_at_ = asked_anew_;
    encrypted_ = trust_.encrypts();
    const Deadline limit(channel.socket(), options_.dial_timeout);
    try {
        if (encrypted_)
            session_key_ = co_await trust_.shake_hands(channel);
        else if (trust_.proves())
            trust_.claim(log_in);
        std::string hello(magic.begin(), magic.end());
        hello += encode(log_in);
        co_await send(channel, std::move(hello));
        if (!encrypted_)
            co_await expect_frames(channel.socket());
        if (log_in.claimed)
            session_key_ = co_await trust_.answer_challenge(channel, log_in);
    } catch (const std::system_error&) {
        if (limit.passed())
            fail(asio::error::timed_out, "the remote proxy does not answer");
        throw;
    }
}

void RemoteLink::on_frame(Frame& frame)
{
    if (auto* const announce = std::get_if<Announce>(&frame)) {
        on_announce(*announce);
    } else if (const auto* const welcome = std::get_if<Welcome>(&frame)) {
        on_welcome(*welcome);
    } else if (const auto* const opened = std::get_if<Opened>(&frame)) {
        offers_.on_opened(*opened);
        answered_.notify();
    } else if (const auto* const declined = std::get_if<Declined>(&frame)) {
        offers_.on_declined(*declined);
        answered_.notify();
    } else if (const auto* const reject = std::get_if<Reject>(&frame)) {
        link_->end(make_error_code(Errc::rejected), reject->text);
    } else if (const auto* const notice = std::get_if<Notice>(&frame)) {
        log::warn("the remote proxy says",
                  {{"notice", notice->text}, {"remote", to_string(address_)}});
    } else if (const auto* const goodbye = std::get_if<Goodbye>(&frame)) {
        goodbye_ = goodbye->text;
        link_->end(make_error_code(Errc::closed_by_peer), goodbye->text);
    }
}

void RemoteLink::on_welcome(const Welcome& welcome)
{
    if (welcome_) {
        link_->end(make_error_code(Errc::unexpected_frame), "a second welcome");
        return;
    }
    if (session_key_ && !welcome.session) {
        link_->end(make_error_code(Errc::unexpected_frame), "a welcome without a session");
        return;
    }
    if (shared_.offering &&
        std::ranges::find(welcome.features, feature::services) == welcome.features.end()) {
        link_->end(make_error_code(std::errc::operation_not_supported),
                   "the remote proxy is too old to open services by name, or not set up for it");
        return;
    }
    welcome_ = true;
    const std::uint64_t failures = failed_log_ins_.failures();
    failed_log_ins_.recovered();
    ++log_ins_;
    if (agreed_at_ != asked_anew_) {
        link_->finish("reconnecting on request"); // with what holds now
        return;
    }
    reconnect_ = false; // asked for while this connection was being made
    link_->set_peer_timeout(welcome.heartbeat_timeout);
    session_ = {link_->peer(), welcome.session.value_or(SessionId()), session_key_,
                welcome.session.has_value(), encrypted_};
    log::info("logged in", {{"remote", to_string(link_->peer())},
                            shared_.offering ? log::Field("services", services_.size())
                                             : log::Field("outside", welcome.outside_address),
                            {"encrypted", encrypted_ ? "yes" : "no"},
                            {"version", welcome.program_version},
                            {"after-failures", failures}});
    if (session_.framed && parking_.wanted())
        parking_.open(session_);
    outside_address_ = welcome.outside_address;
    begin_services(welcome);
    checking_ =
        std::ranges::find(welcome.features, feature::health_checks) != welcome.features.end();
    check_servers();
}

std::vector<Opened> RemoteLink::opened() const
{
    if (!logged_in())
        return {};
    if (shared_.offering)
        return offers_.opened();
    return {Opened{std::string(default_service), outside_address_}};
}

// After the offers of those of which it tells.
void RemoteLink::check_servers()
{
    if (!logged_in())
        return;
    const auto all = services_.all();
    if (checking_)
        checks_.check(all);
    else if (std::ranges::any_of(all, [](const auto& service) {
                 return service->options.rules.health_check.kind != HealthCheck::Kind::off;
             }))
        log::warn("no health checks, since the remote proxy is too old to be told of them",
                  {{"remote", to_string(address_)}});
}

void RemoteLink::tell_health(const Service& service, const std::string& why)
{
    if (link_ == nullptr)
        return;
    const ServerHealth health{service.options.name,
                              why.empty() ? ServerState::well : ServerState::ill, why};
    link_->post(health);
}

void RemoteLink::begin_services(const Welcome& welcome)
{
    if (!shared_.offering) {
        if (on_ready_)
            std::exchange(on_ready_, nullptr)(
                address_, link_->peer(), {{std::string(default_service), welcome.outside_address}});
        return;
    }
    for (const Frame& offer : offers_.offer_all())
        link_->post(offer);
    if (on_ready_)
        tasks_.spawn("waiting for services", tell_when_answered(log_ins_));
}

// Once all offers have been answered; but one that is not must not keep the others from being told
// of.
awaitable<void> RemoteLink::tell_when_answered(std::uint64_t log_in)
{
    const auto limit = Clock::now() + options_.answered_within;
    const auto holds = [this, log_in] { return link_ != nullptr && log_ins_ == log_in; };
    while (holds() && !offers_.answered() && Clock::now() < limit)
        co_await answered_.wait_until(limit);
    if (holds() && on_ready_ && offers_.opened().empty())
        log::warn("no service is open: nobody can reach an origin server through this remote proxy",
                  {{"remote", to_string(address_)}, {"services", services_.size()}});
    if (holds() && on_ready_) // else the next log-in tells it
        std::exchange(on_ready_, nullptr)(address_, session_.remote, offers_.opened());
}

} // namespace tunnel
