#include "remote-proxy/remote_proxy.hpp"

#include <algorithm>
#include <stdexcept>
#include <utility>

#include <fmt/format.h>

#include "common/descriptors.hpp"
#include "common/error.hpp"
#include "common/log.hpp"
#include "common/process.hpp"
#include "common/protocol/goodbyes.hpp"

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
std::size_t capacity_for_visitors(std::size_t usable, std::size_t others)
{
    const std::size_t taken = handshake_capacity(usable) + others;
    return std::max<std::size_t>(1, (usable - std::min(usable, taken)) / 2);
}

std::size_t usable_by(const RemoteOptions& options)
{
    return usable_descriptors(options.descriptor_limit,
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
      trust(read_configured(options.common.values,
                            [&options] { return TrustedOrigins(options.trust); }))
{
    for (RemoteService& service : services_of(options)) {
        const tcp::endpoint where = endpoint_to_listen(io, service.outside_address);
        outside.emplace_back(std::move(service),
                             Listener(io, where, options.common.congestion, Hop::edge));
    }
}

RemoteProxy::RemoteProxy(asio::io_context& io, const RemoteOptions& options, Reread reread)
    : RemoteProxy(io, options, Prepared(io, options), std::move(reread))
{
}

RemoteProxy::RemoteProxy(asio::io_context& io, const RemoteOptions& options, Prepared prepared,
                         Reread reread)
    : io_(io),
      hosts_(io),
      options_(options),
      reread_(reread ? std::move(reread) : [options] { return options; }),
      trust_(std::move(prepared.trust)),
      control_(std::move(prepared.control)),
      room_(options.max_waiting),
      handshakes_(handshake_capacity(usable_by(options))),
      failed_log_ins_(options.rules.visitors.trusted),
      key_budget_(io.get_executor(), HandshakeBudget::Options()),
      signature_budget_(io.get_executor(), HandshakeBudget::Options()),
      parking_space_(parking_capacity(options.descriptor_limit)),
      origin_bandwidths_(options.bandwidth_per_origin),
      events_(io.get_executor()),
      visitor_left_(io.get_executor()),
      holder_settled_(io.get_executor()),
      clock_(io.get_executor()),
      relay_(its_relay(options)),
      loop_(io, relay_, options.common.spin),
      tasks_(io.get_executor())
{
    for (const RemoteService& service : services_of(options))
        hosts_.endpoint(service.outside_address); // looked up again, but nobody waits yet
    for (auto& [service, listener] : prepared.outside)
        add_service(std::move(service), std::move(listener), nullptr);
    options_.services.clear(); // a second copy of each
}

tcp::endpoint RemoteProxy::outside_endpoint() const
{
    return services_.at(std::string(default_service))->outside.endpoint();
}

std::vector<std::pair<std::string, tcp::endpoint>> RemoteProxy::outside_endpoints() const
{
    std::vector<std::pair<std::string, tcp::endpoint>> all;
    for (const auto& [name, service] : services_)
        all.emplace_back(name, service->outside.endpoint());
    return all;
}

std::size_t RemoteProxy::usable_descriptors() const
{
    return usable_by(options_);
}

// As many as there are descriptors for.
std::size_t RemoteProxy::visitor_capacity() const
{
    // One of each is among the descriptors that are not usable.
    const std::size_t more_links = std::max<std::size_t>(links_.size(), 1) - 1;
    const std::size_t more_services = std::max<std::size_t>(services_.size(), 1) - 1;
    // Each link may park one, however many others there are.
    const std::size_t parked = std::max(parking_capacity(options_.descriptor_limit), links_.size());
    return capacity_for_visitors(usable_descriptors(), parked + more_links + more_services);
}

void RemoteProxy::start()
{
    control_.open();
    tasks_.spawn("accepting connections of the origin proxies", accept_connections());
    tasks_.spawn("keeping time", keep_time());
}

void RemoteProxy::stop_gently()
{
    stopping_ = true;
    // A successor may listen there at once, however long visitors stay.
    for (const auto& [name, service] : services_)
        service->outside.close();
    log::info("stopping", {{"visitors", visitors()}, {"grace", options_.common.grace_period}});
    tasks_.spawn("stopping", drain());
}

awaitable<void> RemoteProxy::drain()
{
    const auto deadline = Clock::now() + options_.common.grace_period;
    // Visitors who were announced are connected over the control address, which takes a round trip
    // or two. Where nobody is logged in nobody comes for those who wait.
    constexpr auto while_connecting = std::chrono::seconds(2);
    constexpr auto look_again = std::chrono::milliseconds(50);
    const auto connected_by = std::min(deadline, Clock::now() + while_connecting);
    while (room_.unclaimed_tickets() > 0 && Clock::now() < connected_by)
        co_await visitor_left_.wait_until(std::min(connected_by, Clock::now() + look_again));
    // From here on a successor has the control address, and the origin proxies may go over to it.
    control_.close();
    while (auto visitor = room_.dismiss_unclaimed())
        turn_away(std::move(*visitor), "cut by the shutdown");
    for (OriginLink* const link : links_)
        link->connection.finish(std::string(remote_is_stopping));
    // Visitors behind a load balancer that has not named them yet are not let in any more.
    while (visitors() > unidentified_ && Clock::now() < deadline)
        co_await visitor_left_.wait_until(deadline);
    const auto patience = Clock::now() + std::chrono::seconds(1);
    while (!links_.empty() && Clock::now() < patience)
        co_await visitor_left_.wait_until(patience);
    stop_now();
}

void RemoteProxy::stop_now()
{
    if (std::exchange(stopped_, true))
        return;
    stopping_ = true;
    for (const auto& [name, service] : services_)
        service->outside.shut();
    control_.shut();
    for (Tally* const tally : tallies())
        tally->flush(std::nullopt);
    relay_.stop();
    for (OriginLink* const link : links_)
        link->parked.clear();
    while (auto visitor = room_.expire(Clock::time_point::max()))
        turn_away(std::move(*visitor), "cut by the shutdown");
    events_.close();
    tasks_.cancel();
}

bool RemoteProxy::reload(std::string* problems)
{
    if (stopping_) { // its addresses may be a successor's already
        constexpr std::string_view why = "the remote proxy is shutting down";
        log::warn("cannot reload, so nothing has changed", {{"reason", why}});
        if (problems != nullptr)
            *problems = why;
        return false;
    }
    std::vector<NamedSecret> gone;
    try {
        const RemoteOptions fresh = reread_();
        TrustedOrigins trust =
            read_configured(fresh.common.values, [&fresh] { return TrustedOrigins(fresh.trust); });
        gone = trust_.missing_in(trust);
        change_services(fresh);
        trust_ = std::move(trust);
    } catch (const std::runtime_error& error) {
        complain_of_reload(error);
        if (problems != nullptr)
            *problems = error.what();
        return false;
    }
    log::info("reloaded");
    for (const NamedSecret& each : gone)
        log::warn("a secret is trusted no longer: who knows no other is cut off with its visitors",
                  {{"name", each.name}});
    end_visitors_of_the_untrusted();
    cut_off_the_untrusted();
    reconsider_offers();
    open_missing_tunnels();
    return true;
}

// ---- Time

std::optional<Clock::time_point> RemoteProxy::next_deadline()
{
    std::optional<Clock::time_point> next;
    const auto consider = [&next](std::optional<Clock::time_point> since, milliseconds limit) {
        if (since && (!next || *since + limit < *next))
            next = *since + limit;
    };
    consider(room_.oldest_arrival(), options_.pairing_timeout);
    consider(handshakes_.oldest(), options_.handshake_timeout);
    for (const auto& [name, service] : services_)
        consider(service->outage_ends, milliseconds(0));
    for (const Tally* const tally : tallies())
        consider(tally->due(), milliseconds(0));
    consider(next_question(), milliseconds(0));
    return next;
}

// One timer for all limits: those of one kind are equal, so the oldest is always the next.
awaitable<void> RemoteProxy::keep_time()
{
    for (;;) {
        const auto now = Clock::now();
        handshakes_.expire(now - options_.handshake_timeout);
        while (auto visitor = room_.expire(now - options_.pairing_timeout)) {
            ++counts_.late;
            turn_away(std::move(*visitor), not_in_time(), Blame::origin_side);
        }
        end_outages(now);
        ask_holders(now);
        for (Tally* const tally : tallies())
            tally->flush(now);
        wakes_at_ = next_deadline().value_or(Clock::time_point::max());
        co_await clock_.wait_until(wakes_at_);
    }
}

// An address that nobody serves is refused by the kernel, but not given up, if the options name it.
void RemoteProxy::end_outages(Clock::time_point now)
{
    std::vector<ServicePointer> over;
    for (const auto& [name, service] : services_) {
        if (service->outage_ends && now >= *service->outage_ends)
            over.push_back(service);
    }
    for (const ServicePointer& service : over) {
        service->outage_ends.reset();
        if (service->outside.is_open())
            log::warn("no origin proxy came back: refusing visitors",
                      {{"outside", to_string(service->outside.endpoint())}});
        service->outside.shut();
        while (auto visitor = room_.dismiss_untold(service->number)) {
            ++counts_.late;
            turn_away(std::move(*visitor), "no origin proxy came back", Blame::origin_side);
        }
        if (service->owner && service->servers.empty())
            retire(service, "its origin proxy did not come back");
    }
}

std::string RemoteProxy::not_in_time() const
{
    return fmt::format("not connected to the origin server within {}",
                       to_string(options_.pairing_timeout));
}

std::array<Tally*, 9 + refusal_kinds> RemoteProxy::tallies()
{
    std::array<Tally*, 9 + refusal_kinds> all{&strangers_, &rejections_, &overflow_,
                                              &headless_,  &foreign_,    &accept_failures_,
                                              &ignored_,   &restless_,   &missing_tunnels_};
    std::ranges::transform(refusals_, all.begin() + 9, [](Tally& tally) { return &tally; });
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
