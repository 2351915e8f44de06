#include "origin-proxy/servers/health_checks.hpp"

#include <algorithm>
#include <utility>

#include "common/base/log.hpp"
#include "origin-proxy/servers/health_check.hpp"

namespace tunnel {

// Shared by the table and the coroutine that checks it, which may outlast its place there.
struct HealthChecks::Checked {
    Checked(const asio::any_io_executor& executor, std::shared_ptr<Service> its_service)
        : service(std::move(its_service)),
          server(executor, service->options.origin_server_address, options().timeout,
                 Congestion::off()),
          health(options().failures, options().successes),
          ended(executor)
    {
    }

    const HealthCheck& options() const { return service->options.rules.health_check; }

    std::shared_ptr<Service> service;
    OriginServer server;
    Health health;
    std::string why{}; // it is not healthy
    Signal ended;
    bool over = false;
};

HealthChecks::HealthChecks(asio::any_io_executor executor, TaskGroup& tasks, std::size_t at_once,
                           Report report)
    : executor_(std::move(executor)),
      tasks_(tasks),
      at_once_(at_once),
      report_(std::move(report)),
      one_ended_(executor_),
      random_(std::random_device()())
{
}

void HealthChecks::check(const std::vector<std::shared_ptr<Service>>& wanted)
{
    auto before = std::exchange(checked_, {});
    for (const std::shared_ptr<Service>& service : wanted) {
        const std::string& name = service->options.name;
        const auto old = before.find(name);
        const bool same = old != before.end() && old->second->service == service;
        if (same && !old->second->over) {
            checked_.insert(before.extract(old));
            continue;
        }
        if (old != before.end() && !same && !old->second->over && !old->second->health.healthy())
            report_(*service, "");
        if (service->options.rules.health_check.kind == HealthCheck::Kind::off)
            continue;
        auto checked = std::make_shared<Checked>(executor_, service);
        if (same) {
            checked->health = old->second->health;
            checked->why = old->second->why;
            if (!checked->health.healthy())
                report_(*service, checked->why);
        }
        checked_.emplace(name, checked);
        tasks_.spawn("a health check", go_on_checking(std::move(checked)));
    }
    for (const auto& [name, gone] : before) {
        gone->over = true;
        gone->ended.notify();
    }
}

std::vector<HealthChecks::Known> HealthChecks::known() const
{
    std::vector<Known> known;
    for (const auto& [name, checked] : checked_) {
        if (!checked->over)
            known.push_back({name, checked->health.healthy()});
    }
    return known;
}

void HealthChecks::stop()
{
    for (const auto& [name, checked] : checked_) {
        checked->over = true;
        checked->ended.notify();
    }
    one_ended_.notify();
    unknown_.flush(std::nullopt);
}

awaitable<void> HealthChecks::go_on_checking(std::shared_ptr<Checked> checked)
{
    const Clock::duration interval = checked->options().interval;
    auto next = Clock::now() + part_of(interval, 0, 1);
    for (;;) {
        while (!checked->over && Clock::now() < next)
            co_await checked->ended.wait_until(next);
        while (!checked->over && under_way_ >= at_once_)
            co_await one_ended_.wait();
        if (checked->over)
            co_return;
        next = Clock::now() + part_of(interval, 0.9, 1.1);
        co_await look(*checked);
    }
}

awaitable<void> HealthChecks::look(Checked& checked)
{
    struct UnderWay {
        HealthChecks& checks;

        explicit UnderWay(HealthChecks& all) : checks(all) { ++checks.under_way_; }

        ~UnderWay()
        {
            --checks.under_way_;
            checks.one_ended_.notify();
        }
    };

    const UnderWay under_way(*this);
    const Looked looked = co_await look_at(checked.service->options, checked.server);
    if (checked.over)
        co_return;
    if (looked.finding == Finding::unknown)
        unknown_.count(checked.service->options.name, looked.why.text, looked.why.code,
                       Clock::now());
    else
        note(checked, looked.finding == Finding::healthy, looked.why);
}

void HealthChecks::note(Checked& checked, bool healthy, const Reason& why)
{
    if (!checked.health.note(healthy))
        return;
    checked.why = why.text;
    const OriginService& options = checked.service->options;
    const std::string server = to_string(options.origin_server_address);
    if (healthy)
        log::info("an origin server is healthy again",
                  {{"service", options.name}, {"server", server}});
    else
        log::warn("an origin server is unhealthy", {{"service", options.name},
                                                    {"server", server},
                                                    {"code", name_of(why.code)},
                                                    {"reason", why.text}});
    report_(*checked.service, why.text);
}

Clock::duration HealthChecks::part_of(Clock::duration whole, double least, double most)
{
    std::uniform_real_distribution<double> part(least, most);
    return std::chrono::duration_cast<Clock::duration>(whole * part(random_));
}

} // namespace tunnel
