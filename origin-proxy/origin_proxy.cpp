#include "origin-proxy/origin_proxy.hpp"

#include <algorithm>
#include <map>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "common/base/log.hpp"
#include "common/base/process.hpp"
#include "common/protocol/reason_codes.hpp"
#include "common/relay/descriptors.hpp"

namespace tunnel {

namespace {

// A control connection more, and what it takes to make one.
constexpr std::size_t descriptors_of_link = 4;

// A visitor takes two descriptors; an eighth of all is left for addresses that are raced, and for
// health checks.
std::size_t visitor_capacity(const OriginOptions& options, std::size_t links)
{
    const std::size_t usable = usable_descriptors(
        options.descriptor_limit, relay_options(options.common, options.descriptor_limit));
    const std::size_t others =
        parking_capacity(options.descriptor_limit) + (links - 1) * descriptors_of_link;
    return std::max<std::size_t>(1, (usable - std::min(usable, others)) * 7 / 16);
}

template <class Links>
std::size_t sum(const Links& links, std::size_t (RemoteLink::*number)() const)
{
    std::size_t all = 0;
    for (const auto& each : links)
        all += ((*each).*number)();
    return all;
}

} // namespace

OriginProxy::OriginProxy(asio::io_context& io, const OriginOptions& options,
                         RemoteLink::OnReady on_ready)
    : OriginProxy(io, options, trusted_remotes(options), std::move(on_ready))
{
}

OriginProxy::OriginProxy(asio::io_context& io, const OriginOptions& options,
                         std::vector<TrustedRemote> trust, RemoteLink::OnReady on_ready)
    : io_(io),
      options_(options),
      on_ready_(std::move(on_ready)),
      plane_(io, options),
      loop_(io, plane_.relay, options.common.spin),
      ended_(io.get_executor()),
      tasks_(io.get_executor())
{
    for (std::size_t i = 0; i < trust.size(); ++i) {
        const RemotePeer& remote = options.remote_proxies[i];
        links_.push_back(made_for(remote.address, std::move(trust[i]),
                                  route_to(remote.address, options.way_to(remote)), on_ready_));
    }
    divide_descriptors();
}

// What the relay reports goes to the links, which would be gone.
OriginProxy::~OriginProxy()
{
    plane_.relay.stop();
}

std::unique_ptr<RemoteLink> OriginProxy::made_for(const Address& address, TrustedRemote trust,
                                                  Route route, RemoteLink::OnReady on_ready)
{
    return std::make_unique<RemoteLink>(
        io_, options_, plane_, address, std::move(trust), std::move(route),
        RemoteLink::Callbacks{std::move(on_ready), [this] { on_end(); }, [this] { on_giving_up(); },
                              [this](RemoteLink& link) { move(link); }});
}

// How long the next log-in waits. A remote proxy may say so as often as it likes.
Clock::duration OriginProxy::delay_of_move()
{
    constexpr auto least_between = std::chrono::milliseconds(50);
    const auto now = Clock::now();
    next_move_ = std::max(now, next_move_);
    const Clock::duration delay = next_move_ - now;
    next_move_ += least_between;
    return delay;
}

// Of those that are left behind a few keep their control connection.
void OriginProxy::move(RemoteLink& link)
{
    constexpr std::ptrdiff_t most_left_behind = 8;
    const auto place = std::ranges::find(links_, &link, &std::unique_ptr<RemoteLink>::get);
    if (place == links_.end() || is_ending())
        return;
    log::info("the remote proxy moves to another process", {{"remote", to_string(link.address())}});
    const auto is_left_behind = [&link](const auto& each) {
        return each->connected() && !each->has_left() && each->address() == link.address();
    };
    if (std::ranges::count_if(detached_, is_left_behind) >= most_left_behind) {
        RemoteLink& oldest = **std::ranges::find_if(detached_, is_left_behind);
        oldest.leave({Code::goodbye, "the remote proxy has moved since"});
    }
    auto fresh = made_for(link.address(), link.take_trust(), link.route(), link.take_on_ready());
    link.move_away();
    std::swap(*place, fresh);
    detached_.push_back(std::move(fresh)); // the one that is left behind
    divide_descriptors();
    (*place)->start(delay_of_move());
}

// Each link has an equal part of what may be parked, and what it needs itself.
void OriginProxy::divide_descriptors()
{
    plane_.slots.set_capacity(visitor_capacity(options_, links_.size()));
    for (const auto& each : links_)
        each->divide(links_.size());
}

void OriginProxy::start()
{
    log_ways(options_);
    for (const auto& each : links_)
        each->start();
}

void OriginProxy::stop_gently()
{
    if (stopping_) // another process serves, and this one ends with its last visitor
        return;
    stopping_ = true;
    log::info("stopping", {{"visitors", visitors()}, {"grace", options_.common.grace_period}});
    for (const auto& each : links_)
        each->detach({Code::shutting_down, "the origin proxy is shutting down"});
    leave_former();
    tasks_.spawn("stopping", drain());
}

// What is left at remote proxies that have moved.
void OriginProxy::leave_former()
{
    for (const auto& each : detached_)
        each->leave({Code::shutting_down, "the origin proxy is shutting down"});
}

// ---- Takeover

std::vector<std::string> OriginProxy::logged_in_at() const
{
    std::vector<std::string> all;
    for (const auto& each : links_) {
        if (each->logged_in())
            all.push_back(to_string(each->address()));
    }
    return all;
}

std::size_t OriginProxy::most_failures() const
{
    std::size_t most = 0;
    for (const auto& each : links_)
        most = std::max(most, each->failures());
    return most;
}

awaitable<void> OriginProxy::let_go()
{
    handing_over_ = true;
    for (const auto& each : links_)
        each->detach({Code::shutting_down, "another process of the origin proxy takes over"});
    constexpr auto look_again = std::chrono::milliseconds(10);
    const auto limit = Clock::now() + std::chrono::seconds(2);
    const auto is_connected = [](const auto& link) { return link->connected(); };
    while (std::ranges::any_of(links_, is_connected) && Clock::now() < limit)
        co_await ended_.wait_until(std::min(limit, Clock::now() + look_again));
}

void OriginProxy::take_back()
{
    handing_over_ = false;
    if (stopping_)
        return;
    for (auto& each : links_) {
        auto fresh =
            made_for(each->address(), each->take_trust(), each->route(), each->take_on_ready());
        std::swap(each, fresh);
        detached_.push_back(std::move(fresh));
    }
    divide_descriptors();
    for (const auto& each : links_)
        each->start();
}

void OriginProxy::leave()
{
    if (std::exchange(stopping_, true)) // by a signal, meanwhile
        return;
    log::info("another process serves from now on",
              {{"visitors", visitors()}, {"grace", options_.common.grace_period}});
    leave_former();
    tasks_.spawn("leaving", drain());
}

awaitable<void> OriginProxy::drain()
{
    const auto deadline = Clock::now() + options_.common.grace_period;
    while (visitors() > 0 && Clock::now() < deadline)
        co_await ended_.wait_until(deadline);
    const auto patience = Clock::now() + std::chrono::seconds(1);
    // The remote proxy closes idle connections once it has heard the goodbye, and until then
    // announces visitors on them.
    constexpr auto look_again = std::chrono::milliseconds(10);
    const auto is_leaving = [](const auto& link) { return link->is_leaving(); };
    while (std::ranges::any_of(links_, is_leaving) && Clock::now() < patience)
        co_await ended_.wait_until(std::min(patience, Clock::now() + look_again));
    stop_now();
}

void OriginProxy::stop_now()
{
    if (std::exchange(stopped_, true))
        return;
    stopping_ = true;
    plane_.relay.stop();
    for (const auto& each : links_)
        each->stop_now();
    for (const auto& each : detached_)
        each->stop_now();
    tasks_.cancel();
}

void OriginProxy::reload(const OriginOptions& latest)
{
    std::vector<TrustedRemote> trust = trusted_remotes(latest); // all that may fail
    if (is_ending() || gave_up_)
        throw ShuttingDown("the origin proxy is shutting down");
    change(services_of(latest), !latest.services.empty());
    plane_.bandwidth.change(latest.bandwidth_per_origin);
    options_.common.grace_period = latest.common.grace_period;
    options_.max_retries = latest.max_retries;
    change_links(latest, std::move(trust));
    log::info("reloaded");
}

void OriginProxy::change(const std::vector<OriginService>& wanted, bool offered)
{
    // Whether services are offered is agreed on at log-in.
    const bool anew = plane_.services.offered() != offered;
    plane_.services.change(wanted, offered);
    for (const auto& each : links_) {
        if (anew)
            each->connect_anew();
        else if (offered)
            each->announce_changes();
        else // the remote proxy is told nothing of the only service
            each->check_servers();
    }
}

void OriginProxy::change_links(const OriginOptions& latest, std::vector<TrustedRemote> trust)
{
    struct Kept {
        RemoteLink* link;
        TrustedRemote trust;
        Route route;
    };

    auto before = std::exchange(links_, {});
    // They begin to work when the table of links is complete: one may fail, and end, at once.
    std::vector<Kept> kept;
    bool has_other_way = false;
    std::vector<RemoteLink*> fresh;
    for (std::size_t i = 0; i < trust.size(); ++i) {
        const RemotePeer& remote = latest.remote_proxies[i];
        const Address& address = remote.address;
        Route route = route_to(address, latest.way_to(remote));
        const auto old = std::ranges::find_if(
            before, [&address](const auto& link) { return link && link->address() == address; });
        if (old != before.end()) {
            has_other_way = has_other_way || !is_same_route(route, (*old)->route());
            kept.push_back({old->get(), std::move(trust[i]), std::move(route)});
            links_.push_back(std::move(*old));
        } else {
            has_other_way = has_other_way || route;
            links_.push_back(made_for(address, std::move(trust[i]), std::move(route), on_ready_));
            fresh.push_back(links_.back().get());
        }
    }
    for (auto& each : before) {
        if (each)
            detach(std::move(each));
    }
    divide_descriptors();
    if (has_other_way)
        log_ways(latest);
    for (Kept& each : kept)
        each.link->change(std::move(each.trust), std::move(each.route));
    for (RemoteLink* const each : fresh)
        each->start();
}

void OriginProxy::detach(std::unique_ptr<RemoteLink> link)
{
    log::info("disconnecting from a remote proxy that is no longer configured",
              {{"remote", to_string(link->address())}});
    link->detach({Code::removed, "this remote proxy is no longer configured at the origin proxy"});
    detached_.push_back(std::move(link));
}

// A slot has come free, perhaps for a visitor of another remote proxy.
void OriginProxy::on_end()
{
    ended_.notify();
    for (const auto& each : links_)
        each->start_waiting_visits();
}

// Looked at later: a reload that is under way lets one link after the other try again.
void OriginProxy::on_giving_up()
{
    asio::post(io_, [this] {
        const auto has_given_up = [](const auto& link) { return link->gave_up(); };
        if (gave_up_ || stopping_ || !std::ranges::all_of(links_, has_given_up))
            return;
        gave_up_ = true;
        tasks_.spawn("stopping", drain());
    });
}

void OriginProxy::run_some()
{
    loop_.run_some();
    if (!detached_.empty())
        clear_away();
}

// Only called where none of the links can be at work.
void OriginProxy::clear_away()
{
    for (const auto& each : detached_) {
        if (each->is_done())
            each->stop_now();
    }
    std::erase_if(detached_,
                  [](const auto& each) { return each->stopped() && each->visitors() == 0; });
}

bool OriginProxy::stopped() const
{
    const auto has_stopped = [](const auto& link) { return link->stopped(); };
    return stopped_ && tasks_.empty() && std::ranges::all_of(links_, has_stopped) &&
           std::ranges::all_of(detached_, has_stopped);
}

OriginStatus OriginProxy::status() const
{
    OriginStatus status;
    status.stopping = stopping_;
    for (const auto& service : plane_.services.all())
        status.services.push_back(
            {service->options.name, to_string(service->options.origin_server_address)});
    std::map<std::string_view, OriginStatus::Service*> by_name;
    for (OriginStatus::Service& each : status.services)
        by_name[each.name] = &each;
    for (const auto& link : links_) {
        const std::string remote = to_string(link->address());
        status.links.push_back({remote, link->logged_in(), link->log_ins(), link->round_trip(),
                                link->visitors(), link->parked(), link->through()});
        for (const Opened& opened : link->opened()) {
            if (const auto found = by_name.find(opened.service); found != by_name.end())
                found->second->outside.push_back({remote, opened.outside_address});
        }
        for (const Declined& declined : link->declined()) {
            if (const auto found = by_name.find(declined.service); found != by_name.end())
                found->second->not_open.push_back(
                    {remote, code_of(declined.reason), declined.text});
        }
        for (const HealthChecks::Known& known : link->health()) {
            if (const auto found = by_name.find(known.service); found != by_name.end())
                found->second->health.push_back({remote, known.healthy});
        }
    }
    status.visitors = visitors();
    status.parked = parked();
    status.relay_loads = plane_.relay.loads();
    status.counts = plane_.counts;
    return status;
}

std::string OriginProxy::summary() const
{
    return fmt::format("{}{} visitors, {} services, logged in to {} of {} remote proxies",
                       stopping_ ? "stopping: " : "", visitors(), plane_.services.all().size(),
                       log_ins(), links_.size());
}

std::size_t OriginProxy::log_ins() const
{
    return static_cast<std::size_t>(
        std::ranges::count_if(links_, [](const auto& link) { return link->logged_in(); }));
}

std::size_t OriginProxy::visitors() const
{
    return sum(links_, &RemoteLink::visitors) + sum(detached_, &RemoteLink::visitors);
}

std::size_t OriginProxy::parked() const
{
    return sum(links_, &RemoteLink::parked) + sum(detached_, &RemoteLink::parked);
}

} // namespace tunnel
