#include "origin-proxy/link/remote_link.hpp"

#include <algorithm>
#include <cerrno>
#include <random>
#include <utility>

#include "common/base/error.hpp"
#include "common/base/log.hpp"
#include "common/protocol/reason_codes.hpp"
#include "common/relay/descriptors.hpp"
#include "common/transport/socket.hpp"

namespace tunnel {

namespace {

// A part of the eighth of all descriptors that is left for more than visitors; each remote proxy is
// told of what is seen for it.
std::size_t checks_at_once(const OriginOptions& options, std::size_t links)
{
    constexpr std::size_t most = 256;
    return std::clamp<std::size_t>(options.descriptor_limit / 64 / links, 1, most);
}

} // namespace

RemoteLink::RemoteLink(asio::io_context& io, const OriginOptions& options, DataPlane& plane,
                       Address address, TrustedRemote trust, Route route, Callbacks callbacks)
    : options_(options),
      plane_(plane),
      callbacks_(std::move(callbacks)),
      id_{random_bytes()},
      trust_(std::move(trust)),
      dialler_(io, std::move(address), options.dial_timeout, options.common.congestion,
               std::move(route)),
      policy_({options.first_retry, options.slowest_retry, options.healthy_spell}),
      wait_is_over_(io.get_executor()),
      tasks_(io.get_executor()),
      offered_(io.get_executor(), tasks_, plane.services, to_string(dialler_.address()),
               {options.answered_within, checks_at_once(options, 1)},
               [this](const std::vector<Opened>& opened) { on_open(opened); }),
      visits_(io, tasks_, plane, {options.parked_connections, 0, options.parked_for},
              callbacks_.on_end)
{
}

void RemoteLink::divide(std::size_t links)
{
    visits_.set_parking_capacity(parking_capacity(options_.descriptor_limit) / links);
    offered_.set_checks_at_once(checks_at_once(options_, links));
}

void RemoteLink::start(Clock::duration delay)
{
    tasks_.spawn("staying connected", stay_connected(delay));
    visits_.start();
}

void RemoteLink::detach(Reason goodbye)
{
    if (is_ended())
        return;
    state_ = State::detached;
    leave(std::move(goodbye));
    wait_is_over_.notify();
}

void RemoteLink::move_away()
{
    if (is_ended())
        return;
    state_ = State::detached;
    visits_.stop_dialling();
}

void RemoteLink::leave(Reason goodbye)
{
    has_left_ = true;
    visits_.close();
    if (connection_ != nullptr)
        connection_->finish(std::move(goodbye));
}

void RemoteLink::stop_now()
{
    if (std::exchange(state_, State::stopped) == State::stopped)
        return;
    visits_.stop();
    tasks_.cancel();
}

void RemoteLink::change(TrustedRemote fresh, Route route)
{
    const bool same_way = is_same_route(route, dialler_.route());
    const bool same = fresh.same_as(trust_) && same_way;
    trust_ = std::move(fresh);
    if (!same_way)
        dialler_.take(std::move(route));
    if (!same)
        connect_anew();
    else if (!logged_in())
        retry(Next::retry_at_once);
}

std::string RemoteLink::through() const
{
    return dialler_.route() ? to_string(dialler_.route()->proxy) : std::string();
}

void RemoteLink::connect_anew()
{
    log::info("reconnecting on request", {{"remote", to_string(address())}});
    if (connection_ != nullptr)
        connection_->finish({Code::reconnecting, "reconnecting on request"});
    retry(Next::connect_anew);
}

void RemoteLink::retry(Next how)
{
    switch (state_) {
    case State::connecting:
    case State::logged_in:
        next_ = std::max(next_, how);
        break;
    case State::waiting:
        state_ = State::connecting;
        wait_is_over_.notify();
        break;
    case State::gave_up:
        state_ = State::connecting;
        policy_.start_over();
        tasks_.spawn("staying connected", stay_connected());
        break;
    case State::detached:
    case State::stopped:
        break;
    }
}

// Makes a control connection again whenever it is lost, until there are no retries left.
awaitable<void> RemoteLink::stay_connected(Clock::duration delay)
{
    std::random_device random;
    const auto first_try = Clock::now() + delay;
    while (!is_ended() && Clock::now() < first_try)
        co_await wait_is_over_.wait_until(first_try);
    while (!is_ended()) {
        state_ = State::connecting;
        next_ = Next::retry_later;
        goodbye_ = {};
        const auto began = Clock::now();
        Reason reason = co_await connect_once();
        if (is_ended())
            co_return;
        if (!logged_in())
            ++failures_;
        if (next_ != Next::retry_later) {
            policy_.retried_on_request();
            continue;
        }
        const auto now = Clock::now();
        const RetryPolicy::Decision decision = policy_.ended(
            {state_ == State::logged_in, std::move(reason), std::move(goodbye_), now - began},
            options_.max_retries, now, random());
        log_end(decision);
        if (!decision.retry_in) {
            state_ = State::gave_up;
            callbacks_.on_give_up();
            co_return;
        }
        state_ = State::waiting;
        const auto next_try = now + *decision.retry_in;
        while (state_ == State::waiting && Clock::now() < next_try)
            co_await wait_is_over_.wait_until(next_try);
        if (is_ended())
            co_return;
    }
}

// One control connection, from the look-up of the remote proxy's name to the connection's end. The
// reason for that.
awaitable<Reason> RemoteLink::connect_once()
{
    Reason reason;
    try {
        co_await follow();
    } catch (const std::system_error& error) {
        // In TLS 1.3 it comes when this side has agreed already, instead of the first frame.
        const bool refused = error.code() == std::error_code(EKEYREJECTED, std::system_category());
        reason = refused ? Reason{Code::certificate_refused,
                                  make_error_code(Errc::certificate_refused).message()}
                         : Reason{code_of(error.code()), error.what()};
        if (state_ == State::connecting && error.code() == Errc::closed_by_peer)
            reason.text += " (--remote-proxy-addr must be the --control-addr of the remote proxy)";
    } catch (const std::runtime_error& error) { // of the library, for want of memory
        reason = {Code::failed, error.what()};
    }
    co_return std::move(reason);
}

void RemoteLink::log_end(const RetryPolicy::Decision& decision) const
{
    const std::string remote = to_string(address());
    if (decision.retry_in)
        log::write(decision.level, decision.message,
                   {{"remote", remote},
                    {"code", name_of(decision.reason.code)},
                    {"reason", decision.reason.text},
                    {"failures", decision.failures},
                    {"retry-in", *decision.retry_in}},
                   decision.limit);
    else
        log::write(decision.level, decision.message,
                   {{"remote", remote},
                    {"code", name_of(decision.reason.code)},
                    {"reason", decision.reason.text},
                    {"retries", options_.max_retries.value_or(0)}});
}

awaitable<void> RemoteLink::follow()
{
    ++plane_.counts.connects;
    const Route route = dialler_.route();
    AsyncChannel channel = co_await dialler_.dial();
    // What is agreed on from here on is what is needed now, unless it goes another way.
    if (next_ == Next::connect_anew && route == dialler_.route())
        next_ = Next::retry_at_once;
    Agreed agreed = co_await dialler_.agree(std::move(channel), trust_, log_in());
    session_ = Session();
    session_.route = route;
    session_.key = agreed.session_key;
    session_.encrypted = agreed.channel.is_encrypted();

    ControlConnection connection(std::move(agreed.channel), {options_.common.heartbeat_interval,
                                                             options_.common.heartbeat_timeout});

    struct Linked {
        RemoteLink& link;

        Linked(RemoteLink& owner, ControlConnection& its) : link(owner) { link.connection_ = &its; }

        ~Linked()
        {
            link.connection_ = nullptr;
            link.ended_ = Clock::now();
            link.offered_.end();
            link.visits_.end();
            link.callbacks_.on_end();
        }
    };

    const Linked linked(*this, connection);
    if (is_ended())
        co_return;
    const std::function<void(Frame&)> on_each = [this](Frame& frame) { on_frame(frame); };
    co_await connection.run(on_each);
}

LogIn RemoteLink::log_in() const
{
    LogIn log_in;
    log_in.program_version = TUNNEL_VERSION;
    log_in.origin = id_;
    log_in.name = options_.name;
    log_in.heartbeat_timeout = options_.common.heartbeat_timeout;
    if (visits_.wants_parking())
        log_in.features.emplace_back(feature::parking);
    if (plane_.services.offered())
        log_in.features.emplace_back(feature::services);
    log_in.features.emplace_back(feature::health_checks);
    log_in.features.emplace_back(feature::visitor_headers);
    log_in.features.emplace_back(feature::names);
    log_in.features.emplace_back(feature::http);
    log_in.features.emplace_back(feature::move);
    return log_in;
}

void RemoteLink::on_frame(Frame& frame)
{
    if (auto* const announce = std::get_if<Announce>(&frame)) {
        visits_.on_announce(*announce);
    } else if (const auto* const welcome = std::get_if<Welcome>(&frame)) {
        on_welcome(*welcome);
    } else if (const auto* const opened = std::get_if<Opened>(&frame)) {
        offered_.on_opened(*opened);
    } else if (const auto* const declined = std::get_if<Declined>(&frame)) {
        offered_.on_declined(*declined);
    } else if (const auto* const reject = std::get_if<Reject>(&frame)) {
        connection_->end(rejected(code_of(reject->reason)), reject->text);
    } else if (const auto* const notice = std::get_if<Notice>(&frame)) {
        log::warn("the remote proxy says",
                  {{"notice", notice->text}, {"remote", to_string(address())}});
    } else if (std::holds_alternative<Move>(frame)) {
        if (logged_in())
            callbacks_.on_move(*this);
    } else if (const auto* const goodbye = std::get_if<Goodbye>(&frame)) {
        goodbye_ = {goodbye->code, goodbye->text};
        connection_->end(make_error_code(Errc::closed_by_peer), goodbye->text);
    }
}

void RemoteLink::on_welcome(const Welcome& welcome)
{
    if (is_ended()) // it has said goodbye already
        return;
    if (state_ == State::logged_in) {
        connection_->end(make_error_code(Errc::unexpected_frame), "a second welcome");
        return;
    }
    if (session_.key && !welcome.session) {
        connection_->end(make_error_code(Errc::unexpected_frame), "a welcome without a session");
        return;
    }
    if (plane_.services.offered() &&
        std::ranges::find(welcome.features, feature::services) == welcome.features.end()) {
        connection_->end(
            make_error_code(std::errc::operation_not_supported),
            "the remote proxy is too old to open services by name, or not set up for it");
        return;
    }
    state_ = State::logged_in;
    ++log_ins_;
    failures_ = 0;
    const std::uint64_t failures = policy_.logged_in();
    if (next_ == Next::connect_anew) {
        connection_->finish({Code::reconnecting, "reconnecting on request"});
        return;
    }
    next_ = Next::retry_later;
    connection_->set_peer_timeout(welcome.heartbeat_timeout);
    session_.remote = connection_->peer();
    session_.id = welcome.session.value_or(SessionId());
    session_.framed = welcome.session.has_value();
    const std::string through = session_.route ? to_string(session_.route->proxy) : "";
    log::info("logged in",
              {{"remote", session_.address()},
               log::Field(through.empty() ? "" : "through", through),
               plane_.services.offered() ? log::Field("services", plane_.services.size())
                                         : log::Field("outside", welcome.outside_address),
               {"encrypted", session_.encrypted ? "yes" : "no"},
               {"version", welcome.program_version},
               {"after-failures", failures}});
    visits_.begin(*connection_, session_);
    offered_.begin(*connection_, welcome);
}

void RemoteLink::on_open(const std::vector<Opened>& opened)
{
    was_ready_ = true;
    if (callbacks_.on_ready)
        callbacks_.on_ready(address(), session_.address(), opened);
}

} // namespace tunnel
