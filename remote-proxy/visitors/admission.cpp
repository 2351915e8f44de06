#include "remote-proxy/visitors/admission.hpp"

#include <utility>

#include "common/base/log.hpp"
#include "common/transport/socket.hpp"
#include "remote-proxy/visitors/http_failures.hpp"

namespace tunnel {

Admission::Admission(Uses uses, Hooks hooks)
    : options_(uses.options),
      capacity_(uses.capacity),
      tallies_(uses.tallies),
      records_(uses.records),
      room_(uses.room),
      left_(uses.left),
      hooks_(std::move(hooks))
{
}

void Admission::turn_away(const PublicService* service, Channel channel, const tcp::endpoint& peer)
{
    const Reason why{Code::no_room, "no descriptors left for more visitors"};
    tallies_.count(tallies_.no_room, to_string(peer), why.text);
    records_.note_refusal(service, to_string(peer), why, true);
    reset(channel);
}

// Whether a visitor from this address may wait. A service may fill a quarter of the room only, so
// that one without origin proxy, or with hanging origin servers, does not block the others. If
// there is no room, a visitor from the address with most waiting visitors is reset.
bool Admission::find_room(const PublicService& service, const asio::ip::address& address,
                          const Reason& reason)
{
    const bool is_share_used =
        !capacity_.is_only_service() && room_.waiting(service.number) * 4 > options_.max_waiting;
    if (!is_share_used && !room_.full())
        return true;
    auto given_up =
        is_share_used ? room_.make_room_for(address, service.number) : room_.make_room_for(address);
    if (!given_up)
        return false;
    tallies_.count(tallies_.no_room, given_up->address(), reason.text);
    hooks_.give_up(std::move(*given_up), reason);
    return true;
}

std::optional<VisitorLimits::Permit> Admission::permit(PublicService& service,
                                                       const tcp::endpoint& peer)
{
    auto answer = decide(service, peer);
    if (auto* const permit = std::get_if<VisitorLimits::Permit>(&answer))
        return std::move(*permit);
    return std::nullopt;
}

std::variant<VisitorLimits::Permit, Refusal>
Admission::decide(PublicService& service, const tcp::endpoint& peer, bool is_new)
{
    auto answer = service.limits.admit(peer.address(), Clock::now(), is_new);
    if (const auto* const refusal = std::get_if<Refusal>(&answer)) {
        tallies_.count(*refusal, to_string(peer));
        records_.note_refusal(&service, to_string(peer), describe(*refusal), true);
    }
    return answer;
}

void Admission::admit(const ServicePointer& service, Arrival arrival, VisitorLimits::Permit permit)
{
    static const Reason too_many{Code::no_room, "too many visitors wait"};
    if (!find_room(*service, arrival.peer.address(), too_many)) {
        tallies_.count(tallies_.no_room, to_string(arrival.peer), too_many.text);
        records_.note_refusal(service.get(), to_string(arrival.peer), too_many, true);
        if (arrival.exchange)
            arrival.exchange->fail(std::move(arrival.channel), answer_to(too_many));
        else
            reset(arrival.channel);
        return;
    }
    ++service->counts.visitors;
    Visitor visitor{std::move(arrival.channel), Clock::now(), arrival.peer};
    log::debug("new visitor", {{"visitor", visitor.address()}, {"waiting", room_.size()}});
    visitor.permit = std::move(permit);
    visitor.visited = service->visited;
    visitor.outside = arrival.outside;
    visitor.guard = arrival.guard;
    visitor.exchange = std::move(arrival.exchange);
    visitor.id = ++latest_visitor_;
    records_.note_begin(visitor);
    hooks_.admitted(service, std::move(visitor));
}

} // namespace tunnel
