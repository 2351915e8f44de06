#include "remote-proxy/remote_proxy.hpp"

#include <algorithm>
#include <stdexcept>
#include <utility>

#include <fmt/format.h>

#include "common/descriptors.hpp"
#include "common/error.hpp"
#include "common/log.hpp"
#include "common/net/socket.hpp"
#include "common/process.hpp"
#include "common/protocol/goodbyes.hpp"

namespace tunnel {

namespace {

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
      parking_space_(parking_capacity(options.descriptor_limit)),
      origin_bandwidths_(options.bandwidth_per_origin),
      events_(io.get_executor()),
      holder_settled_(io.get_executor()),
      alarm_(io.get_executor()),
      tallies_(alarm_),
      capacity_(options_, links_, services_),
      visitors_({io_, options_, capacity_, state_, trust_, links_, tallies_, alarm_, events_,
                 relay_, tasks_}),
      control_port_(io, std::move(prepared.control),
                    {options.handshake_timeout, capacity_.handshakes(),
                     parking_capacity(options.descriptor_limit), options.visitor_rules.trusted},
                    {trust_, links_, visitors_.room(), tallies_, alarm_, tasks_},
                    [this](ControlPort::Arrival arrival) { return serve(std::move(arrival)); }),
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

void RemoteProxy::start()
{
    control_port_.start();
    tasks_.spawn("keeping time", keep_time());
}

void RemoteProxy::stop_gently()
{
    state_.stopping = true;
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
    const auto connected_by = std::min(deadline, Clock::now() + while_connecting);
    co_await visitors_.finish_pairing(connected_by);
    // From here on a successor has the control address, and the origin proxies may go over to it.
    control_port_.close();
    visitors_.end_unclaimed();
    for (OriginLink* const link : links_)
        link->connection.finish(std::string(remote_is_stopping));
    co_await visitors_.finish(deadline);
    const auto patience = Clock::now() + std::chrono::seconds(1);
    while (!links_.empty() && Clock::now() < patience)
        co_await visitors_.left().wait_until(patience);
    stop_now();
}

void RemoteProxy::stop_now()
{
    if (std::exchange(state_.stopped, true))
        return;
    state_.stopping = true;
    for (const auto& [name, service] : services_)
        service->outside.shut();
    control_port_.shut();
    tallies_.flush(std::nullopt);
    relay_.stop();
    for (OriginLink* const link : links_)
        link->parked.clear();
    visitors_.end_all_waiting();
    events_.close();
    tasks_.cancel();
}

bool RemoteProxy::reload(std::string* problems)
{
    if (state_.stopping) { // its addresses may be a successor's already
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
    const auto consider = [&next](std::optional<Clock::time_point> time) {
        if (time && (!next || *time < *next))
            next = time;
    };
    consider(visitors_.next_deadline());
    for (const auto& [name, service] : services_)
        consider(service->outage_ends);
    consider(control_port_.next_deadline());
    consider(tallies_.due());
    consider(next_question());
    return next;
}

// One timer for all limits: those of one kind are equal, so the oldest is always the next.
awaitable<void> RemoteProxy::keep_time()
{
    for (;;) {
        const auto now = Clock::now();
        control_port_.expire(now);
        visitors_.expire(now);
        end_outages(now);
        ask_holders(now);
        tallies_.flush(now);
        const auto next = next_deadline().value_or(Clock::time_point::max());
        co_await alarm_.wait_until(next);
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
        visitors_.end_waiting_for_deserted(*service);
        if (service->owner && service->servers.empty())
            retire(service, "its origin proxy did not come back");
    }
}

} // namespace tunnel
