#include "remote-proxy/services/holders.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "common/base/counted.hpp"
#include "common/transport/socket.hpp"

namespace tunnel {

namespace {

// Former runs of one origin proxy that are asked at once whether they are still there.
constexpr std::size_t most_asked_at_once = 8;

// Log-ins that wait until it is known whether a holder is still there.
constexpr std::size_t most_waiting_log_ins = 16;

} // namespace

std::string in_use(const PublicService& service, const OriginLink& holder)
{
    return fmt::format("service \"{}\" ({}) is in use by {} at {}", service.options.offer(),
                       to_string(service.outside.endpoint()), holder.name->shown(), holder.address);
}

std::string in_use(const PublicService& service, const OriginLink& holder,
                   const Identity& wanted_by)
{
    const OriginName name(wanted_by.name, wanted_by.is_only, wanted_by.own_name);
    const std::string_view hint = holder.name->is_alike(name)
                                      ? ", which has the same name: give one of them another --name"
                                      : "";
    return fmt::format("{}{}", in_use(service, holder), hint);
}

std::string thing_of_name(const PublicService& service)
{
    return "service " + service.lasting_name();
}

std::string thing_of_port(const PublicService& service)
{
    return fmt::format("port {}", service.outside.endpoint().port());
}

Contested contested_service(const PublicService& service, const OriginLink& holder,
                            const Identity& wanted_by)
{
    return {thing_of_name(service), holder.number, std::nullopt,
            in_use(service, holder, wanted_by)};
}

Holders::Holders(Uses uses, Actions actions)
    : options_(uses.options),
      links_(uses.links),
      alarm_(uses.alarm),
      tasks_(uses.tasks),
      actions_(std::move(actions)),
      holder_settled_(uses.io.get_executor())
{
}

bool Holders::must_wait(const Contender& who, const Contested& contested)
{
    const auto state = contests_.enter(who, contested.thing, contested.holder, contested.until);
    if (contested.until)
        alarm_.ring_by(*contested.until);
    if (state != Contests::State::asking || contested.is_hopeless())
        return false;
    ask(contested.holder);
    return true;
}

void Holders::forget(const OriginLink& link)
{
    contests_.leave_all_of(link.number);
    holder_settled_.notify();
}

bool Holders::may_wait() const
{
    return waiting_log_ins_ < most_waiting_log_ins;
}

awaitable<bool> Holders::has_answered(std::uint64_t holder)
{
    const Counted counted(waiting_log_ins_);
    ask(holder);
    const OriginLink* const asked = links_.find(holder);
    const std::uint64_t received = asked != nullptr ? asked->connection.received() : 0;
    const auto is_silent = [this, holder, received] {
        const OriginLink* const link = links_.find(holder);
        return link != nullptr && link->asked && link->connection.received() == received;
    };
    while (is_silent())
        co_await holder_settled_.wait();
    co_return links_.find(holder) != nullptr;
}

std::size_t Holders::meet_twins(const Identity& identity)
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
void Holders::ask(std::uint64_t holder)
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
void Holders::on_answer(OriginLink& link)
{
    link.asked.reset();
    holder_settled_.notify();
    for (const Contender& each : contests_.heard(link.number))
        actions_.consider(each);
    if (contests_.is_contested(link.number)) {
        link.ask_again = Clock::now() + options_.probe_timeout / 2;
        alarm_.ring_by(*link.ask_again);
    }
}

void Holders::ask_holders(Clock::time_point now)
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
            actions_.drop(*link);
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
        actions_.consider(each);
}

std::optional<Clock::time_point> Holders::next_question() const
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

void Holders::become_free(const PublicService& service)
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
awaitable<void> Holders::settle()
{
    while (!freed_.empty()) {
        co_await yield_to_others();
        const std::string thing = std::move(freed_.front());
        freed_.pop_front();
        for (const Contender& each : contests_.over(thing))
            actions_.consider(each);
    }
    settling_ = false;
}

} // namespace tunnel
