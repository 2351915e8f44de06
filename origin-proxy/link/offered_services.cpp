#include "origin-proxy/link/offered_services.hpp"

#include <algorithm>
#include <string_view>
#include <utility>

#include "common/base/log.hpp"

namespace tunnel {

OfferedServices::OfferedServices(const asio::any_io_executor& executor, TaskGroup& tasks,
                                 const Services& all, std::string remote, Options options,
                                 std::function<void(const std::vector<Opened>&)> on_open)
    : tasks_(tasks),
      services_(all),
      remote_(std::move(remote)),
      answered_within_(options.answered_within),
      on_open_(std::move(on_open)),
      offers_(all, remote_),
      checks_(
          executor, tasks, options.checks_at_once,
          [this](const Service& service, const std::string& why) { report_health(service, why); }),
      answered_(executor)
{
}

void OfferedServices::begin(ControlConnection& connection, const Welcome& welcome)
{
    connection_ = &connection;
    ++log_ins_;
    outside_address_ = welcome.outside_address;
    takes_health_ =
        std::ranges::find(welcome.features, feature::health_checks) != welcome.features.end();
    if (services_.offered()) {
        const auto knows = [&welcome](std::string_view feature) {
            return std::ranges::find(welcome.features, feature) != welcome.features.end();
        };
        for (const Frame& offer : offers_.offer_all({knows(feature::names), knows(feature::http)}))
            connection_->post(offer);
        warn_of_left_out();
        if (on_open_)
            tasks_.spawn("waiting for services", wait_until_open(log_ins_));
    } else if (on_open_) {
        std::exchange(on_open_, nullptr)(opened());
    }
    check_servers(); // after the offers of the services whose health it tells
}

void OfferedServices::end()
{
    connection_ = nullptr;
    checks_.stop();
    answered_.notify();
}

void OfferedServices::on_opened(const Opened& opened)
{
    offers_.on_opened(opened);
    answered_.notify();
}

void OfferedServices::on_declined(const Declined& declined)
{
    offers_.on_declined(declined);
    answered_.notify();
}

void OfferedServices::announce_changes()
{
    if (connection_ == nullptr) // all are offered at the next log-in
        return;
    for (const Frame& change : offers_.catch_up())
        connection_->post(change);
    warn_of_left_out();
    answered_.notify(); // perhaps each of those that are left has been answered
    check_servers();
}

void OfferedServices::check_servers()
{
    if (connection_ == nullptr)
        return;
    const auto all = services_.all();
    if (takes_health_)
        checks_.check(all);
    else if (std::ranges::any_of(all, [](const auto& service) {
                 return service->options.rules.health_check.kind != HealthCheck::Kind::off;
             }))
        log::warn("no health checks, since the remote proxy is too old to be told of them",
                  {{"remote", remote_}});
}

void OfferedServices::warn_of_left_out() const
{
    for (const std::string& name : offers_.left_out())
        log::warn("a service is not offered, since the remote proxy is too old to route its "
                  "visitors or to read their HTTP",
                  {{"service", name}, {"remote", remote_}});
}

std::vector<Opened> OfferedServices::opened() const
{
    if (connection_ == nullptr)
        return {};
    if (services_.offered())
        return offers_.opened();
    return {Opened{std::string(default_service), outside_address_}};
}

void OfferedServices::report_health(const Service& service, const std::string& why)
{
    if (connection_ == nullptr)
        return;
    const ServerHealth health{service.options.name,
                              why.empty() ? ServerState::well : ServerState::ill, why};
    connection_->post(health);
}

awaitable<void> OfferedServices::wait_until_open(std::uint64_t log_in)
{
    const auto limit = Clock::now() + answered_within_;
    const auto holds = [this, log_in] {
        return connection_ != nullptr && log_ins_ == log_in && on_open_ != nullptr;
    };
    while (holds() && !offers_.answered() && Clock::now() < limit)
        co_await answered_.wait_until(limit);
    if (holds() && offers_.opened().empty())
        log::warn("no service is open: nobody can reach an origin server through this remote proxy",
                  {{"remote", remote_}, {"services", services_.size()}});
    while (holds() && offers_.opened().empty())
        co_await answered_.wait();
    if (holds())
        std::exchange(on_open_, nullptr)(offers_.opened());
}

} // namespace tunnel
