#include "remote-proxy/visitors/service.hpp"

#include <algorithm>
#include <tuple>
#include <utility>

namespace tunnel {

namespace {

bool may_have(const PublicService::Server& server, const Visitor& visitor)
{
    const OriginId& origin = server.link->origin;
    const Carrier* const only = visitor.only_for();
    const bool takes_it = only != nullptr ? only->origin == origin : !server.link->drained;
    return takes_it && !visitor.was_refused_by(origin);
}

} // namespace

PublicService::PublicService(std::shared_ptr<const RegisteredService> its_registered)
    : registered(std::move(its_registered)),
      options(registered->options),
      number(registered->number),
      visited(std::make_shared<VisitedService>(VisitedService{options.name, number})),
      limits(options.rules.visitors),
      bandwidth(options.rules.bandwidth.together)
{
}

const std::shared_ptr<HttpServiceCounts>& PublicService::requests()
{
    if (!counted_requests)
        counted_requests = std::make_shared<HttpServiceCounts>();
    return counted_requests;
}

void PublicService::apply(const ServiceRules& rules)
{
    if (options.rules.visitors != rules.visitors)
        limits.change_rules(rules.visitors);
    if (options.rules.bandwidth.together != rules.bandwidth.together)
        bandwidth.change(rules.bandwidth.together);
}

OriginLink* PublicService::choose(const Visitor& visitor, Clock::time_point now) const
{
    // The smallest is chosen.
    const auto rank = [&](const Server& server) {
        // While it is being asked whether it is still there, it may not be.
        const bool avoided =
            server.link->is_asked || (server.refused && now < *server.refused + avoided_for);
        std::uint64_t order = server.turn;
        if (options.balance == Balance::least)
            order = server.link->carrier->visitors;
        if (options.balance == Balance::first) {
            const auto place = std::ranges::find(options.origins, server.link->identity.name);
            order = static_cast<std::uint64_t>(place - options.origins.begin());
        }
        return std::tuple(server.is_unhealthy, avoided, order,
                          options.balance == Balance::first ? 0 : server.turn);
    };
    const Server* chosen = nullptr;
    for (const Server& each : servers) {
        if (may_have(each, visitor) && (chosen == nullptr || rank(each) < rank(*chosen)))
            chosen = &each;
    }
    return chosen == nullptr ? nullptr : chosen->link;
}

void PublicService::announced_to(const OriginLink& link)
{
    if (Server* const its = server(&link))
        its->turn = next_turn++;
}

bool PublicService::has_another_for(const Visitor& visitor) const
{
    return std::ranges::any_of(servers, [&visitor](const Server& each) {
        const OriginId& origin = each.link->origin;
        return !each.link->drained && origin != visitor.attempt->by().origin &&
               !visitor.was_refused_by(origin);
    });
}

bool PublicService::is_replaced(const Visitor& visitor) const
{
    const Carrier* const only = visitor.only_for();
    return only != nullptr && std::ranges::any_of(servers, [only](const Server& each) {
               return each.link->origin != only->origin && each.link->name->is_alike(*only->name);
           });
}

PublicService::Server* PublicService::server(const OriginLink* link)
{
    const auto found = std::ranges::find(servers, link, &Server::link);
    return found == servers.end() ? nullptr : &*found;
}

PublicService::Server* PublicService::server(std::uint64_t link_number)
{
    const auto found = std::ranges::find_if(
        servers, [link_number](const Server& each) { return each.link->number == link_number; });
    return found == servers.end() ? nullptr : &*found;
}

} // namespace tunnel
