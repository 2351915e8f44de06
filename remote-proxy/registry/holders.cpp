#include "remote-proxy/registry/holders.hpp"

#include <algorithm>
#include <utility>

namespace tunnel {

bool Holders::must_wait(const Contender& who, const Contested& contested)
{
    const auto state = contests_.enter(who, contested.thing, contested.holder, contested.until);
    return state == Contests::State::asking && !contested.is_hopeless();
}

void Holders::forget(std::uint64_t link)
{
    contests_.leave_all_of(link);
    questions_.erase(link);
}

bool Holders::ask(std::uint64_t link, Clock::time_point now)
{
    if (is_asked(link))
        return false;
    questions_[link] = {now + patience_, std::nullopt};
    return true;
}

bool Holders::is_asked(std::uint64_t link) const
{
    const auto found = questions_.find(link);
    return found != questions_.end() && found->second.until;
}

std::vector<Contender> Holders::heard(std::uint64_t link, Clock::time_point now)
{
    questions_.erase(link);
    if (contests_.is_contested(link))
        questions_[link].again = now + patience_ / 2;
    return contests_.heard(link);
}

void Holders::become_free(const RegisteredService& service)
{
    if (contests_.size() == 0)
        return;
    std::vector<std::string> things{thing_of_name(service)};
    if (service.has_address())
        things.push_back(thing_of_port(service));
    for (const std::string& host : service.options.names.hosts)
        things.push_back(thing_of_host(service.options.names.kind, host));
    for (std::string& thing : things) {
        if (!contests_.over(thing).empty())
            freed_.push_back(std::move(thing));
    }
}

std::optional<std::vector<Contender>> Holders::take_freed()
{
    if (freed_.empty())
        return std::nullopt;
    const std::string thing = std::move(freed_.front());
    freed_.pop_front();
    return contests_.over(thing);
}

Holders::Due Holders::due(Clock::time_point now, bool log_ins_wait)
{
    Due due;
    std::erase_if(questions_, [&](const auto& entry) {
        const auto& [link, question] = entry;
        const bool is_contested = contests_.is_contested(link);
        if (question.until && now >= *question.until)
            (is_contested || log_ins_wait ? due.silent : due.unwanted).push_back(link);
        else if (question.again && now >= *question.again && is_contested)
            due.to_ask.push_back(link);
        else
            return question.again && now >= *question.again;
        return true;
    });
    due.to_consider = contests_.due(now);
    return due;
}

std::optional<Clock::time_point> Holders::next() const
{
    std::optional<Clock::time_point> next = contests_.next();
    for (const auto& [link, question] : questions_) {
        const auto time = question.until ? question.until : question.again;
        if (time && (!next || *time < *next))
            next = time;
    }
    return next;
}

} // namespace tunnel
