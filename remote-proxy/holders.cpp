// What several origin proxies want and only one can have: a service, or a port. Whoever has it
// keeps it as long as it answers, and nobody is kept waiting for one that does not.
#include "remote-proxy/remote_proxy.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "common/error.hpp"
#include "common/log.hpp"

namespace tunnel {

namespace {

// Former runs of one origin proxy that are asked at once whether they are still there.
constexpr std::size_t most_asked_at_once = 8;

} // namespace

// For the log of whoever comes second.
std::string RemoteProxy::in_use(const PublicService& service, const OriginLink& holder)
{
    return fmt::format("service \"{}\" ({}) is in use by {} at {}", service.options.offer(),
                       to_string(service.outside.endpoint()), holder.name->shown(), holder.address);
}

std::string RemoteProxy::in_use(const PublicService& service, const OriginLink& holder,
                                const Identity& wanted_by)
{
    const OriginName name(wanted_by.name, wanted_by.is_only, wanted_by.own_name);
    const std::string_view hint = holder.name->is_alike(name)
                                      ? ", which has the same name: give one of them another --name"
                                      : "";
    return fmt::format("{}{}", in_use(service, holder), hint);
}

// Others that have its credential and name may be former runs of it, of which nobody has heard that
// they are gone: they are asked. The number that tells it from those that are still there.
std::size_t RemoteProxy::meet_twins(const Identity& identity)
{
    const OriginName name(identity.name, identity.is_only, identity.own_name);
    const std::vector<OriginLink*> twins = links_.alike(name);
    for (std::size_t i = 0; i < std::min(twins.size(), most_asked_at_once); ++i)
        ask(twins[i]->number);
    std::vector<std::size_t> taken;
    for (const OriginLink* const twin : twins)
        taken.push_back(twin->name->number());
    std::ranges::sort(taken);
    std::size_t free = 1;
    for (const std::size_t each : taken)
        free += each == free ? 1 : 0;
    return free;
}

// Whether it is still there.
void RemoteProxy::ask(std::uint64_t holder)
{
    OriginLink* const link = links_.find(holder);
    if (link == nullptr || link->asked)
        return;
    link->asked =
        OriginLink::Asked{link->connection.received(), Clock::now() + options_.probe_timeout};
    link->ask_again.reset();
    link->connection.post(Probe());
    alarm_.ring_by(link->asked->until);
}

// It keeps what it has, and is asked again as long as somebody waits for that.
void RemoteProxy::on_answer(OriginLink& link)
{
    link.asked.reset();
    holder_settled_.notify();
    for (const Contender& each : contests_.heard(link.number))
        consider(each);
    if (contests_.is_contested(link.number)) {
        link.ask_again = Clock::now() + options_.probe_timeout / 2;
        alarm_.ring_by(*link.ask_again);
    }
}

void RemoteProxy::consider(const Contender& contender)
{
    OriginLink* const link = links_.find(contender.link);
    if (link != nullptr && link->offers.contains(contender.offer))
        consider(*link, contender.offer);
    else
        contests_.leave(contender);
}

// What it had is free at once for those who have waited.
void RemoteProxy::drop_silent(OriginLink& link)
{
    const std::vector<ServicePointer> its = served_by(link);
    link.connection.end(make_error_code(Errc::heartbeat_timeout),
                        "it does not answer, and another origin proxy asks for its place");
    lose(link);
    for (const ServicePointer& service : its) {
        if (service->servers.empty())
            service->deserted -= options_.probe_timeout;
    }
}

void RemoteProxy::ask_holders(Clock::time_point now)
{
    std::vector<std::uint64_t> silent;
    std::vector<std::uint64_t> again;
    for (OriginLink* const link : links_) {
        if (link->asked && now >= link->asked->until)
            silent.push_back(link->number);
        else if (link->ask_again && now >= *link->ask_again)
            again.push_back(link->number);
    }
    for (const std::uint64_t number : silent) {
        OriginLink* const link = links_.find(number);
        if (link == nullptr)
            continue;
        if (link->has_answered())
            on_answer(*link);
        else if (contests_.is_contested(number) || waiting_log_ins_ > 0)
            drop_silent(*link);
        else // nobody wants what it has: its own timeout decides
            link->asked.reset();
    }
    for (const std::uint64_t number : again) {
        OriginLink* const link = links_.find(number);
        if (link == nullptr)
            continue;
        link->ask_again.reset();
        if (contests_.is_contested(number))
            ask(number);
    }
    for (const Contender& each : contests_.due(now))
        consider(each);
}

std::optional<Clock::time_point> RemoteProxy::next_question() const
{
    std::optional<Clock::time_point> next = contests_.next();
    const auto earlier = [&next](Clock::time_point time) {
        if (!next || time < *next)
            next = time;
    };
    for (const OriginLink* const link : links_) {
        if (link->asked)
            earlier(link->asked->until);
        else if (link->ask_again)
            earlier(*link->ask_again);
    }
    return next;
}

// Nobody has the service any more. Those who wait for it, or for its port, have their turn later:
// whoever calls this may be in the middle of a change.
void RemoteProxy::become_free(const PublicService& service)
{
    if (contests_.size() == 0)
        return;
    for (std::string thing : {thing_of_name(service), thing_of_port(service)}) {
        if (!contests_.over(thing).empty())
            freed_.push_back(std::move(thing));
    }
    if (freed_.empty() || std::exchange(settling_, true))
        return;
    tasks_.spawn("settling who gets what has become free", settle());
}

// One thing in a turn.
awaitable<void> RemoteProxy::settle()
{
    while (!freed_.empty()) {
        co_await yield_to_others();
        const std::string thing = std::move(freed_.front());
        freed_.pop_front();
        for (const Contender& each : contests_.over(thing))
            consider(each);
    }
    settling_ = false;
}

std::string RemoteProxy::thing_of_name(const PublicService& service)
{
    return "service " + service.lasting_name();
}

std::string RemoteProxy::thing_of_port(const PublicService& service)
{
    return fmt::format("port {}", service.outside.endpoint().port());
}

} // namespace tunnel
