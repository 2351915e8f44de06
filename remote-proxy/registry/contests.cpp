#include "remote-proxy/registry/contests.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "common/transport/socket.hpp"

namespace tunnel {

namespace {

std::string used_by(const RegisteredService& service, const RegisteredOrigin& holder)
{
    return fmt::format("service \"{}\" ({}) is in use by {} at {}", service.options.offer(),
                       service.outside(), holder.name->shown(), holder.address);
}

} // namespace

std::string in_use(const RegisteredService& service, const RegisteredOrigin& holder,
                   const OriginName& wanted_by)
{
    const std::string_view hint = holder.name->is_alike(wanted_by)
                                      ? ", which has the same name: give one of them another --name"
                                      : "";
    return fmt::format("{}{}", used_by(service, holder), hint);
}

std::string thing_of_name(const RegisteredService& service)
{
    return "service " + service.lasting_name();
}

std::string thing_of_port(const RegisteredService& service)
{
    return fmt::format("port {}", service.where.port());
}

Contested contested_service(const RegisteredService& service, const RegisteredOrigin& holder,
                            const OriginName& wanted_by)
{
    return {thing_of_name(service), holder.link, std::nullopt, in_use(service, holder, wanted_by)};
}

// Another name would free no port, so none is advised.
Contested contested_port(const RegisteredService& service, const RegisteredOrigin& holder,
                         std::uint64_t wanted_by)
{
    return {thing_of_port(service), holder.link == wanted_by ? 0 : holder.link, std::nullopt,
            used_by(service, holder) + ": choose another port"};
}

Contested kept_port(const RegisteredService& service, Clock::time_point until)
{
    return {thing_of_port(service), 0, until,
            fmt::format("port {} is kept for {}, which may come back", service.where.port(),
                        service.owner->shown())};
}

std::string thing_of_host(ServiceKind kind, const std::string& host)
{
    return (kind == ServiceKind::http ? "http host " : "host ") + host;
}

Contested contested_host(const RegisteredService& service, const std::string& host,
                         const RegisteredOrigin& holder)
{
    return {thing_of_host(service.options.names.kind, host), holder.link, std::nullopt,
            used_by(service, holder) + ": choose another name", DeclineReason::host_taken};
}

Contested kept_host(const RegisteredService& service, const std::string& host,
                    Clock::time_point until)
{
    return {thing_of_host(service.options.names.kind, host), 0, until,
            fmt::format("{} is kept for {}, which may come back", host, service.owner->shown()),
            DeclineReason::host_taken};
}

Contests::State Contests::enter(const Contender& who, std::string_view thing, std::uint64_t holder,
                                std::optional<Clock::time_point> until)
{
    auto found = std::ranges::find(entries_, who, &Entry::who);
    if (found != entries_.end() && found->thing != thing) {
        entries_.erase(found);
        found = entries_.end();
    }
    if (found == entries_.end()) {
        const auto of_link = std::ranges::count_if(
            entries_, [&who](const Entry& each) { return each.who.link == who.link; });
        const auto over_thing = std::ranges::count(entries_, thing, &Entry::thing);
        if (entries_.size() >= most || static_cast<std::size_t>(of_link) >= most_of_link ||
            static_cast<std::size_t>(over_thing) >= most_over_thing)
            return State::full;
        entries_.push_back({who, std::string(thing), holder, false, until});
        return State::asking;
    }
    if (found->holder != holder)
        found->answered = false;
    found->holder = holder;
    found->until = until;
    return found->answered ? State::answered : State::asking;
}

void Contests::leave(const Contender& who)
{
    std::erase_if(entries_, [&who](const Entry& each) { return each.who == who; });
}

void Contests::leave_all_of(std::uint64_t link)
{
    std::erase_if(entries_, [link](const Entry& each) { return each.who.link == link; });
}

std::vector<Contender> Contests::heard(std::uint64_t holder)
{
    std::vector<Contender> news;
    for (Entry& each : entries_) {
        if (each.holder == holder && !std::exchange(each.answered, true))
            news.push_back(each.who);
    }
    return news;
}

bool Contests::is_contested(std::uint64_t holder) const
{
    return std::ranges::find(entries_, holder, &Entry::holder) != entries_.end();
}

template <class Condition>
std::vector<Contender> Contests::those(Condition condition) const
{
    std::vector<Contender> found;
    for (const Entry& each : entries_) {
        if (condition(each))
            found.push_back(each.who);
    }
    return found;
}

std::vector<Contender> Contests::over(std::string_view thing) const
{
    return those([thing](const Entry& each) { return each.thing == thing; });
}

std::optional<Clock::time_point> Contests::next() const
{
    std::optional<Clock::time_point> first;
    for (const Entry& each : entries_) {
        if (each.until && (!first || *each.until < *first))
            first = each.until;
    }
    return first;
}

std::vector<Contender> Contests::due(Clock::time_point now) const
{
    return those([now](const Entry& each) { return each.until && *each.until <= now; });
}

} // namespace tunnel
