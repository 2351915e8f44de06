#include "remote-proxy/remote_proxy.hpp"

#include <algorithm>
#include <stdexcept>
#include <utility>

#include <fmt/format.h>

#include "common/base/error.hpp"
#include "common/base/log.hpp"
#include "common/base/process.hpp"
#include "common/protocol/goodbyes.hpp"
#include "common/relay/descriptors.hpp"
#include "common/transport/socket.hpp"
#include "remote-proxy/management/status_report.hpp"

namespace tunnel {

namespace {

RelayOptions its_relay(const RemoteOptions& options)
{
    RelayOptions relay = relay_options(options.common, options.descriptor_limit);
    relay.start_timeout = options.pairing_timeout;
    return relay;
}

RemoteProxy::Prepared prepared_alone(asio::io_context& io, const RemoteOptions& options)
{
    GivenSockets none;
    return {io, options, none};
}

} // namespace

RemoteProxy::Prepared::Prepared(asio::io_context& io, const RemoteOptions& options,
                                GivenSockets& given)
    : control(listen_for("--control-addr",
                         [&] {
                             return listener_at(io, endpoint_to_listen(io, options.control_address),
                                                {given, "control"}, options.common.congestion,
                                                Hop::between);
                         })),
      trust(read_configured(options.common.values,
                            [&options] { return TrustedOrigins(options.trust); }))
{
    for (RemoteService& service : services_of(options)) {
        if (service.names.given()) {
            outside.emplace_back(std::move(service), std::nullopt);
            continue;
        }
        const bool is_default = options.outside_address && service.name == default_service;
        Listener listener =
            listen_for(is_default ? "--outside-addr" : "service " + service.name, [&] {
                return listener_at(io, endpoint_to_listen(io, service.outside_address),
                                   {given, use_of_service(service.name)}, options.common.congestion,
                                   Hop::edge);
            });
        outside.emplace_back(std::move(service), std::move(listener));
    }
    reception = read_configured(options.common.values,
                                [&] { return prepare_reception(io, options, given); });
}

RemoteProxy::RemoteProxy(asio::io_context& io, const RemoteOptions& options)
    : RemoteProxy(io, options, prepared_alone(io, options))
{
}

RemoteProxy::RemoteProxy(asio::io_context& io, const RemoteOptions& options, Prepared prepared)
    : io_(io),
      options_(options),
      trust_(std::move(prepared.trust)),
      events_(io.get_executor()),
      alarm_(io.get_executor()),
      tallies_(alarm_),
      capacity_(options_, links_),
      visitors_({io_, options_, capacity_, state_, trust_, links_, tallies_, alarm_, events_,
                 relay_, watch_}),
      reception_({io_, options_, capacity_, state_, tallies_, alarm_, tasks_, visitors_.admission(),
                  watch_},
                 std::move(prepared.reception)),
      services_({io_, options_, trust_, capacity_, links_, visitors_, reception_.fronts(), tallies_,
                 alarm_, events_, tasks_}),
      tunnels_({options_, state_, capacity_, links_, services_, tallies_}),
      actions_({state_, links_, services_, tunnels_, visitors_}),
      control_port_(
          io, std::move(prepared.control),
          {options.handshake_timeout, capacity_.handshakes(),
           parking_capacity(options.descriptor_limit), options.rules.visitors.trusted},
          {trust_, links_, visitors_.room(), tallies_, alarm_, tasks_},
          [this](ControlPort::Arrival arrival) { return log_ins_.serve(std::move(arrival)); }),
      log_ins_({options_, state_, trust_, capacity_, links_, services_, tunnels_, visitors_,
                control_port_, tallies_, events_}),
      relay_(its_relay(options)),
      loop_(io, relay_, options.common.spin),
      tasks_(io.get_executor()),
      departure_(
          {options_, state_, links_, visitors_, reception_, services_, control_port_, tasks_},
          [this] { stop_now(); })
{
    relay_.watch_also(reception_.descriptor(), [this] { reception_.work(); });
    relay_.watch_also(watch_.descriptor(), [this] {
        constexpr int rounds = 8; // then others have a turn
        for (int i = 0; i < rounds && watch_.work() > 0; ++i) {
        }
    });
    capacity_.set_services(0, reception_.fronts().listeners());
    services_.ask_for_certificates(
        [this](std::string_view host) { return reception_.has_certificate(host); });
    Fronts& fronts = reception_.fronts();
    for (auto& [service, listener] : prepared.outside) {
        if (listener)
            fronts.endpoint(service.outside_address); // looked up again, but nobody waits yet
        services_.add({std::move(service)},
                      listener ? fronts.listen(std::move(*listener)) : nullptr);
    }
    options_.services.clear(); // a second copy of each
}

std::vector<VisitorStatus> RemoteProxy::visitors_after(std::uint64_t after, std::size_t limit,
                                                       VisitorFilter filter) const
{
    if (filter.service)
        filter.service = service_meant(*filter.service).value_or(*filter.service);
    return visitors_.after(after, limit, filter);
}

RemoteStatus RemoteProxy::status() const
{
    return status_of({state_, links_, capacity_, visitors_, reception_, services_, tallies_,
                      control_port_, log_ins_, relay_});
}

std::string RemoteProxy::summary() const
{
    return fmt::format("{}{} visitors, {} services, {} origin proxies",
                       state_.stopping ? "stopping: " : "", visitors(),
                       services_.registry().services().size(), links_.size());
}

tcp::endpoint RemoteProxy::outside_endpoint() const
{
    return services_.registry().services().find(std::string(default_service))->where;
}

std::vector<std::pair<std::string, std::string>> RemoteProxy::outside_addresses() const
{
    std::vector<std::pair<std::string, std::string>> all;
    for (const auto& [name, service] : services_.registry().services())
        all.emplace_back(name, service->outside());
    return all;
}

std::vector<std::pair<std::string, tcp::endpoint>> RemoteProxy::fronts() const
{
    std::vector<std::pair<std::string, tcp::endpoint>> all;
    for (const FrontPointer& each : reception_.fronts().all()) {
        if (each->kind != Front::Kind::own)
            all.emplace_back(each->kind == Front::Kind::tls ? "https" : "http",
                             each->listener.endpoint());
    }
    return all;
}

void RemoteProxy::start(Former former)
{
    const bool has_sockets = former.has_given || former.given.size() > 0;
    // What the options do not have any more cannot open.
    std::set<std::string> awaited = std::move(former.state.open);
    std::erase_if(awaited, [&](const std::string& name) {
        return !former.state.offered.contains(name) &&
               services_.registry().services().find(name) == nullptr;
    });
    services_.prefer_hosts(std::move(former.state.hosts));
    reception_.fronts().give(std::move(former.given));
    if (former.state.saved != SavedState())
        tunnels_.restore(std::move(former.state.saved));
    state_.holds_back = !awaited.empty();
    if (!has_sockets)
        reception_.start();
    control_port_.start();
    tasks_.spawn("keeping time", keep_time());
    if (has_sockets)
        tasks_.spawn("settling", settle(std::move(awaited), former.on_settled));
    else if (former.on_settled)
        former.on_settled();
}

awaitable<void> RemoteProxy::settle(std::set<std::string> awaited, std::function<void()> on_settled)
{
    constexpr auto patience = std::chrono::seconds(5);
    constexpr auto patience_without_change = std::chrono::seconds(2);
    constexpr auto look_again = std::chrono::milliseconds(5);
    const auto limit = Clock::now() + patience;
    auto changed = Clock::now();
    while (!awaited.empty() && Clock::now() < std::min(limit, changed + patience_without_change)) {
        for (const auto& [name, service] : services_.registry().services()) {
            const ServicePointer its = services_.find(*service);
            if (its && services_.is_open(*its) && awaited.erase(service->lasting_name()) > 0)
                changed = Clock::now();
        }
        // Where there are thousands, to look takes a while.
        co_await sleep_for(look_again + std::chrono::microseconds(20) * awaited.size());
    }
    if (state_.is_ending())
        co_return;
    if (on_settled) // whoever has the addresses still leaves first
        on_settled();
    if (state_.stopped)
        co_return;
    state_.holds_back = false;
    control_port_.own();
    reception_.start();
    reception_.fronts().begin_accepting();
    co_await sleep_for(options_.pairing_timeout);
    reception_.fronts().refuse_unserved();
}

void RemoteProxy::stop_gently()
{
    if (state_.leaving) // and will end when the last visitor has left
        return;
    if (state_.holds_back) // nobody has come yet, and the process before this goes on
        return stop_now();
    state_.stopping = true;
    // A successor may listen there at once, however long visitors stay.
    services_.close_addresses();
    reception_.leave();
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
    co_await visitors_.end_unclaimed();
    for (OriginLink* const link : links_)
        link->connection.finish({Code::shutting_down, std::string(remote_is_stopping)});
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
    services_.close_addresses();
    control_port_.shut();
    tallies_.flush(std::nullopt);
    reception_.stop();
    relay_.stop();
    for (OriginLink* const link : links_)
        link->parked.clear();
    visitors_.streams().clear();
    visitors_.end_all_waiting();
    events_.close();
    tasks_.cancel();
}

void RemoteProxy::reload(const RemoteOptions& fresh)
{
    if (!state_.takes_changes()) // its addresses may be a successor's already
        throw ShuttingDown("the remote proxy is shutting down");
    TrustedOrigins trust =
        read_configured(fresh.common.values, [&fresh] { return TrustedOrigins(fresh.trust); });
    if (trust.trusts_anyone() && !trust_.trusts_anyone())
        throw std::runtime_error("the options name nobody any more who may log in, so that anybody "
                                 "could: restart the program to run it without a secret; to keep "
                                 "everybody out, name a secret that nobody has");
    auto certificates = read_configured(fresh.common.values, [&] {
        return reception_.read_certificates(fresh.fronts.certificates);
    });
    auto pages = read_configured(fresh.common.values,
                                 [&] { return Reception::read_pages(fresh.fronts.error_pages); });
    change_services(fresh);
    reception_.show(std::move(certificates));
    reception_.show(std::move(pages));
    const std::vector<NamedSecret> gone = trust_.missing_in(trust);
    trust_ = std::move(trust);
    log::info("reloaded");
    for (const NamedSecret& each : gone)
        log::warn("a secret is no longer trusted: origin proxies that know no other are cut off, "
                  "with their visitors",
                  {{"name", each.name}});
    log_ins_.end_visitors_of_the_untrusted();
    log_ins_.cut_off_the_untrusted();
    services_.reconsider_offers();
    tunnels_.open_missing();
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
    consider(control_port_.next_deadline());
    consider(tallies_.due());
    consider(services_.next_deadline());
    consider(reception_.next_deadline());
    return next;
}

// One timer for all limits: those of one kind are equal, so the oldest is always the next.
awaitable<void> RemoteProxy::keep_time()
{
    for (;;) {
        const auto now = Clock::now();
        control_port_.expire(now);
        visitors_.expire(now);
        services_.expire(now);
        reception_.expire(now);
        tallies_.flush(now);
        const auto next = next_deadline().value_or(Clock::time_point::max());
        co_await alarm_.wait_until(next);
    }
}

// ---- Reload

// Throws std::system_error, and then nothing has changed.
void RemoteProxy::change_services(const RemoteOptions& fresh)
{
    std::vector<PublicServices::Wanted> wanted;
    for (RemoteService& each : services_of(fresh))
        wanted.push_back({std::move(each)});
    for (const auto& [name, error] : services_.replace(ServiceSource::options, std::move(wanted)))
        log::error("a service is missing until the next reload",
                   {{"service", name},
                    {"code", name_of(code_of(error.code()))},
                    {"reason", error.what()}});
    services_.change_rules(fresh.rules);
    log_ins_.change_bandwidths(fresh.bandwidth_per_origin);
    control_port_.never_block(fresh.rules.visitors.trusted);
    options_.outside_address = fresh.outside_address;
    options_.rules = fresh.rules;
    options_.allow_ports = fresh.allow_ports;
    options_.allow_hosts = fresh.allow_hosts;
    options_.fronts.domain = fresh.fronts.domain;
    options_.fronts.certificates = fresh.fronts.certificates;
    options_.fronts.https_redirect = fresh.fronts.https_redirect;
    options_.fronts.error_pages = fresh.fronts.error_pages;
    options_.fronts.access_log = fresh.fronts.access_log;
    reception_.fronts().touch();
    options_.trust = fresh.trust;
    options_.common.grace_period = fresh.common.grace_period;
}

} // namespace tunnel
