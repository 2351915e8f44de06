#include "remote-proxy/takeover/departure.hpp"

#include <algorithm>
#include <string>
#include <utility>

#include "common/base/log.hpp"
#include "common/protocol/goodbyes.hpp"

namespace tunnel {

namespace {

std::string use_of(const Front& front)
{
    switch (front.kind) {
    case Front::Kind::tls:
        return "https";
    case Front::Kind::http:
        return "http";
    case Front::Kind::own:
        break;
    }
    const PublicService* const owner = front.owner();
    return owner != nullptr ? use_of_service(owner->registered->lasting_name()) : "tunnels";
}

} // namespace

Departure::Departure(Uses uses, std::function<void()> on_end)
    : uses_(uses), on_end_(std::move(on_end))
{
}

std::vector<Handover::Shared> Departure::sockets() const
{
    std::vector<Handover::Shared> all{{uses_.control_port.descriptor(), "control"}};
    for (const FrontPointer& each : uses_.reception.fronts().all()) {
        if (!each->listener.is_closed())
            all.push_back({each->listener.descriptor(), use_of(*each)});
    }
    return all;
}

awaitable<FormerState> Departure::let_go()
{
    constexpr auto while_connecting = std::chrono::seconds(2);
    uses_.state.handing_over = true;
    for (const FrontPointer& each : uses_.reception.fronts().all())
        each->listener.pause();
    // Their data connections come to the control address.
    co_await uses_.visitors.finish_pairing(Clock::now() + while_connecting);
    uses_.state.data_goes_elsewhere = true;
    uses_.control_port.pause();
    FormerState state;
    state.saved = uses_.services.saved();
    for (const auto& [name, service] : uses_.services.registry().services()) {
        const ServicePointer its = uses_.services.find(*service);
        if (its && uses_.services.is_open(*its) && !its->servers.empty()) {
            state.open.insert(service->lasting_name());
            if (service->source() == ServiceSource::origin)
                state.offered.insert(service->lasting_name());
        }
        const auto& asked_for = service->options.asked_for.hosts;
        if (asked_for.size() == 1 && asked_for.front().empty() &&
            service->options.names.hosts.size() == 1)
            state.hosts[service->lasting_name()] = service->options.names.hosts.front();
    }
    tell_to_move(); // those who are quick wait in the queue of the control address
    co_return state;
}

void Departure::tell_to_move()
{
    for (OriginLink* const link : uses_.links.all()) {
        if (link->moves)
            link->connection.post(Move());
        else // an older one comes back by itself
            link->connection.finish({Code::shutting_down, std::string(remote_is_stopping)});
    }
}

void Departure::take_back()
{
    uses_.state.handing_over = false;
    if (uses_.state.stopping)
        return;
    uses_.state.data_goes_elsewhere = false;
    uses_.control_port.resume();
    for (const FrontPointer& each : uses_.reception.fronts().all())
        each->listener.resume();
    // They are about to log in at nobody; what they have here would keep them from logging in
    // anew.
    for (OriginLink* const link : uses_.links.all()) {
        if (link->moves) {
            link->connection.finish({Code::reconnecting, "the other process has ended"});
            uses_.services.drop(*link); // no visitor is announced there any more
        }
    }
}

void Departure::leave()
{
    uses_.state.handing_over = false;
    if (uses_.state.stopping) // by a signal, meanwhile
        return;
    uses_.state.leaving = true;
    uses_.control_port.close();
    // Without parked connections nobody can be served any more.
    if (std::ranges::none_of(uses_.links, &OriginLink::parking))
        uses_.reception.leave();
    uses_.reception.let_finish();
    log::info("another process serves from now on",
              {{"visitors", uses_.visitors.size()}, {"grace", uses_.options.common.grace_period}});
    uses_.tasks.spawn("leaving", drain());
}

// A connection may have come free that served another service.
void Departure::serve_waiting()
{
    for (const auto& [name, service] : uses_.services.registry().services()) {
        if (uses_.visitors.room().empty())
            return;
        if (const ServicePointer its = uses_.services.find(*service))
            uses_.visitors.serve_waiting(*its);
    }
}

// Everybody who was let in here.
bool Departure::is_deserted() const
{
    return uses_.visitors.size() == 0 && uses_.reception.unsettled() == 0;
}

awaitable<void> Departure::drain()
{
    constexpr auto look_again = std::chrono::milliseconds(100);
    const auto deadline = Clock::now() + uses_.options.common.grace_period;
    while (!is_deserted() && Clock::now() < deadline) {
        serve_waiting();
        co_await uses_.visitors.left().wait_until(std::min(deadline, Clock::now() + look_again));
    }
    for (OriginLink* const link : uses_.links.all())
        link->connection.finish({Code::shutting_down, std::string(remote_is_stopping)});
    const auto patience = Clock::now() + std::chrono::seconds(1);
    while (!uses_.links.empty() && Clock::now() < patience)
        co_await uses_.visitors.left().wait_until(std::min(patience, Clock::now() + look_again));
    on_end_();
}

} // namespace tunnel
