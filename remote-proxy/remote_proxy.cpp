#include "remote-proxy/remote_proxy.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "common/descriptors.hpp"
#include "common/error.hpp"
#include "common/log.hpp"

namespace tunnel {

namespace {

// Connections that have not said who they are. A good one says so within a round trip.
constexpr std::size_t most_handshakes = 1024;

// A quarter of what is left for connections that may be data connections, but have not said so yet.
std::size_t handshake_capacity(std::size_t usable)
{
    return std::clamp<std::size_t>(usable / 4, 4, most_handshakes);
}

// A visitor takes two descriptors, its own and its data connection's. More of them than can be
// served would leave none for the data connections, and then nobody would be served.
std::size_t visitor_capacity(std::size_t usable, std::size_t parked)
{
    const std::size_t taken = handshake_capacity(usable) + parked;
    return std::max<std::size_t>(1, (usable - std::min(usable, taken)) / 2);
}

std::size_t usable_descriptors(const RemoteOptions& options)
{
    return tunnel::usable_descriptors(options.descriptor_limit,
                                      relay_options(options.common, options.descriptor_limit));
}

RelayOptions its_relay(const RemoteOptions& options)
{
    RelayOptions relay = relay_options(options.common, options.descriptor_limit);
    relay.start_timeout = options.pairing_timeout;
    return relay;
}

} // namespace

RemoteProxy::Prepared::Prepared(asio::io_context& io, const RemoteOptions& options)
    : control(io, endpoint_to_listen(io, options.control_address), options.common.congestion,
              Hop::between),
      outside(io, endpoint_to_listen(io, options.outside_address), options.common.congestion,
              Hop::edge),
      trust(options.trust)
{
}

RemoteProxy::RemoteProxy(asio::io_context& io, const RemoteOptions& options)
    : RemoteProxy(io, options, Prepared(io, options))
{
}

RemoteProxy::RemoteProxy(asio::io_context& io, const RemoteOptions& options, Prepared prepared)
    : io_(io),
      options_(options),
      trust_(std::move(prepared.trust)),
      visitor_capacity_(visitor_capacity(usable_descriptors(options),
                                         parking_capacity(options.descriptor_limit))),
      control_(std::move(prepared.control)),
      outside_(std::move(prepared.outside)),
      limits_(options.visitor_rules),
      room_(options.max_waiting),
      handshakes_(handshake_capacity(usable_descriptors(options))),
      failed_log_ins_(options.visitor_rules.trusted),
      parked_(parking_capacity(options.descriptor_limit)),
      outside_opened_(io.get_executor()),
      visitor_left_(io.get_executor()),
      holder_spoke_(io.get_executor()),
      clock_(io.get_executor()),
      relay_(its_relay(options)),
      loop_(io, relay_, options.common.spin),
      tasks_(io.get_executor())
{
}

void RemoteProxy::start()
{
    control_.open();
    tasks_.spawn("accepting connections of the origin proxy", accept_connections());
    tasks_.spawn("accepting visitors", accept_visitors());
    tasks_.spawn("keeping time", keep_time());
}

void RemoteProxy::stop_gently()
{
    stopping_ = true;
    outside_.shut();
    log::info("stopping", {{"visitors", visitors()}, {"grace", options_.common.grace_period}});
    tasks_.spawn("stopping", drain());
}

awaitable<void> RemoteProxy::drain()
{
    const auto deadline = Clock::now() + options_.common.grace_period;
    while (visitors() > 0 && Clock::now() < deadline)
        co_await visitor_left_.wait_until(deadline);
    if (link_ != nullptr) {
        link_->connection.finish("the remote proxy is shutting down");
        const auto patience = Clock::now() + std::chrono::seconds(1);
        while (link_ != nullptr && Clock::now() < patience)
            co_await visitor_left_.wait_until(patience);
    }
    stop_now();
}

void RemoteProxy::stop_now()
{
    if (std::exchange(stopped_, true))
        return;
    stopping_ = true;
    outside_.shut();
    control_.shut();
    for (Tally* const tally : tallies())
        tally->flush(std::nullopt);
    relay_.stop();
    parked_.clear();
    while (auto visitor = room_.expire(Clock::time_point::max()))
        turn_away(std::move(*visitor), "cut by the shutdown");
    tasks_.cancel();
}

void RemoteProxy::reload()
{
    std::vector<std::string> gone;
    try {
        TrustedOrigins fresh(options_.trust);
        gone = trust_.names_missing_in(fresh);
        trust_ = std::move(fresh);
    } catch (const std::runtime_error& error) {
        log::error("cannot reload, so nothing has changed", {{"reason", error.what()}});
        return;
    }
    log::info("reloaded");
    for (const std::string& name : gone) {
        log::warn("an origin proxy is trusted no longer, and cut off with its visitors",
                  {{"name", name}});
        relay_.end_group(group_of(name));
    }
    if (link_ == nullptr || !link_->identity.credential)
        return;
    const NamedSecret* const known = trust_.find(*link_->identity.credential);
    if (known == nullptr || known->name != link_->identity.name) {
        link_->connection.finish("its secret is no longer good");
        lose_link();
    }
}

// ---- Time

std::optional<Clock::time_point> RemoteProxy::next_deadline()
{
    std::optional<Clock::time_point> next = outage_ends_;
    const auto consider = [&next](std::optional<Clock::time_point> since, milliseconds limit) {
        if (since && (!next || *since + limit < *next))
            next = *since + limit;
    };
    consider(room_.oldest_arrival(), options_.pairing_timeout);
    consider(handshakes_.oldest(), options_.handshake_timeout);
    for (const Tally* const tally : tallies())
        consider(tally->due(), milliseconds(0));
    return next;
}

// One timer for all limits: those of one kind are equal, so the oldest is always the next.
awaitable<void> RemoteProxy::keep_time()
{
    for (;;) {
        const auto now = Clock::now();
        handshakes_.expire(now - options_.handshake_timeout);
        while (auto visitor = room_.expire(now - options_.pairing_timeout)) {
            turn_away(std::move(*visitor), not_in_time());
        }
        if (outage_ends_ && now >= *outage_ends_) {
            outage_ends_.reset();
            if (outside_.is_open())
                log::warn("no origin proxy came back: refusing visitors",
                          {{"outside", to_string(outside_.endpoint())}});
            outside_.shut();
        }
        for (Tally* const tally : tallies())
            tally->flush(now);
        wakes_at_ = next_deadline().value_or(Clock::time_point::max());
        co_await clock_.wait_until(wakes_at_);
    }
}

std::string RemoteProxy::not_in_time() const
{
    return fmt::format("not connected to the origin server within {}",
                       to_string(options_.pairing_timeout));
}

std::array<Tally*, 6 + refusal_kinds> RemoteProxy::tallies()
{
    std::array<Tally*, 6 + refusal_kinds> all{&strangers_,       &rejections_, &overflow_,
                                              &accept_failures_, &ignored_,    &fights_};
    std::ranges::transform(refusals_, all.begin() + 6, [](Tally& tally) { return &tally; });
    return all;
}

void RemoteProxy::count(Tally& tally, std::string_view peer, std::string_view reason)
{
    tally.count(peer, reason, Clock::now());
    if (const auto due = tally.due())
        be_woken_at(*due);
}

// For want of descriptors or memory, most likely: that passes.
awaitable<void> RemoteProxy::pause_accepting(std::string_view where, std::error_code why)
{
    count(accept_failures_, where, why.message());
    co_await sleep_for(std::chrono::milliseconds(100));
}

void RemoteProxy::be_woken_at(Clock::time_point time)
{
    if (time < wakes_at_)
        clock_.notify();
}

} // namespace tunnel
