#include "remote-proxy/registry/contests.hpp"

#include <algorithm>
#include <utility>

namespace tunnel {

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
