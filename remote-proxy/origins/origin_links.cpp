#include "remote-proxy/origins/origin_links.hpp"

#include <algorithm>
#include <iterator>

#include "remote-proxy/options/client_identifier.hpp"

namespace tunnel {

namespace {

// Credentials that are remembered, beside those of which somebody is here.
constexpr std::size_t most_clients = 4096;

template <class Condition>
OriginLink* first_where(const std::vector<OriginLink*>& links, Condition condition)
{
    const auto found = std::ranges::find_if(links, condition);
    return found == links.end() ? nullptr : *found;
}

template <class Condition>
std::vector<OriginLink*> all_where(const std::vector<OriginLink*>& links, Condition condition)
{
    std::vector<OriginLink*> found;
    std::ranges::copy_if(links, std::back_inserter(found), condition);
    return found;
}

} // namespace

void OriginLinks::add(OriginLink& link)
{
    links_.insert(std::ranges::upper_bound(links_, link.number, {}, &OriginLink::number), &link);
    note_client(*link.name);
}

void OriginLinks::note_client(const OriginName& origin)
{
    const bool is_here = has_named(origin.credential());
    Client& client = clients_[std::string(client_identifier(origin.credential()))];
    client.has_left = client.has_left || (client.is_here && !is_here);
    client.is_here = is_here;
    if (clients_.size() > most_clients)
        std::erase_if(clients_, [](const auto& entry) { return !entry.second.is_here; });
}

void OriginLinks::remove(OriginLink& link)
{
    std::erase(links_, &link);
    note_client(*link.name);
    if (!link.session)
        return;
    std::rotate(former_sessions_.begin(), former_sessions_.end() - 1, former_sessions_.end());
    former_sessions_.front() = *link.session;
}

bool OriginLinks::contains(const OriginLink* link) const
{
    return std::ranges::find(links_, link) != links_.end();
}

OriginLink* OriginLinks::find(std::uint64_t number) const
{
    const auto found = std::ranges::lower_bound(links_, number, {}, &OriginLink::number);
    return found != links_.end() && (*found)->number == number ? *found : nullptr;
}

OriginLink* OriginLinks::find(const SessionId& session) const
{
    return first_where(links_,
                       [&session](const OriginLink* link) { return link->session == session; });
}

OriginLink* OriginLinks::find(const OriginId& origin, const OriginName& name) const
{
    return first_where(links_, [&](const OriginLink* link) {
        return link->origin == origin && link->name->is_alike(name);
    });
}

std::vector<OriginLink*> OriginLinks::named(std::string_view name) const
{
    return all_where(links_,
                     [name](const OriginLink* link) { return link->name->answers_to(name); });
}

bool OriginLinks::has_named(std::string_view name) const
{
    return std::ranges::any_of(
        links_, [name](const OriginLink* link) { return link->name->answers_to(name); });
}

std::vector<OriginLink*> OriginLinks::alike(const OriginName& name) const
{
    return all_where(links_,
                     [&name](const OriginLink* link) { return link->name->is_alike(name); });
}

std::size_t OriginLinks::with_credential(const std::string& name) const
{
    return static_cast<std::size_t>(std::ranges::count_if(
        links_, [&name](const OriginLink* link) { return link->identity.name == name; }));
}

bool OriginLinks::was_session(const SessionId& session) const
{
    return std::ranges::find(former_sessions_, session) != former_sessions_.end();
}

} // namespace tunnel
