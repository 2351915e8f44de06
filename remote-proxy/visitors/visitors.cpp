#include "remote-proxy/visitors/visitors.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "common/base/error.hpp"
#include "common/base/log.hpp"
#include "common/protocol/wire.hpp"
#include "common/relay/describe.hpp"
#include "common/transport/socket.hpp"
#include "remote-proxy/registry/service_plan.hpp"
#include "remote-proxy/visitors/http_failures.hpp"

namespace tunnel {

namespace {

Reason broken_by(std::error_code error)
{
    return {Code::data_connection_lost,
            fmt::format("lost its data connection: {}", error.message())};
}

Reason closed()
{
    return {Code::closed_by_management, std::string(management_closed_it)};
}

// An origin proxy tells of itself, and of nothing that only the remote proxy knows.
Code code_of(const Refuse& refuse)
{
    switch (refuse.code) {
    case Code::too_many:
    case Code::no_descriptors:
    case Code::no_such_service:
    case Code::data_connection_lost:
    case Code::shutting_down:
    case Code::host_not_found:
    case Code::origin_server_refused:
    case Code::origin_server_timeout:
    case Code::origin_server_unreachable:
    case Code::origin_server_failed:
        return refuse.code;
    default:
        return Code::origin_refused;
    }
}

// The reason in a refusal that the relay received; empty if it has none.
Reason reason_of(std::string_view body)
{
    const std::span bytes(reinterpret_cast<const std::uint8_t*>(body.data()), body.size());
    const auto frame = decode(static_cast<std::uint8_t>(FrameKind::refuse), bytes);
    const auto* const refuse = frame ? std::get_if<Refuse>(&*frame) : nullptr;
    return refuse != nullptr ? Reason{code_of(*refuse), refuse->text} : Reason();
}

} // namespace

Visitors::Visitors(Uses uses)
    : options_(uses.options),
      state_(uses.state),
      trust_(uses.trust),
      links_(uses.links),
      tallies_(uses.tallies),
      alarm_(uses.alarm),
      records_(uses.events),
      room_(options_.max_waiting),
      visitor_left_(uses.io.get_executor()),
      served_(uses.io, uses.relay,
              [this](Visitor visitor, Flow flow) {
                  on_relay_end(std::move(visitor), std::move(flow));
              }),
      streams_({uses.capacity, state_, links_, alarm_, uses.watch}),
      admission_(
          {options_, uses.capacity, tallies_, records_, room_, visitor_left_},
          {[this] { return served_.size(); },
           [this](const ServicePointer& service, Visitor visitor) {
               begin(*service, std::move(visitor));
           },
           [this](Visitor visitor, const Reason& why) { turn_away(std::move(visitor), why); }})
{
}

void Visitors::begin(PublicService& service, Visitor visitor)
{
    if (!begin_at_once(service, visitor))
        enter(service, std::move(visitor));
}

// Whether there was a connection for it; then it is taken.
bool Visitors::begin_at_once(PublicService& service, Visitor& visitor)
{
    OriginLink* const link = service.choose(visitor, visitor.arrived);
    if (auto stream = link != nullptr ? streams_.take(service, *link, visitor) : std::nullopt) {
        go_on_with(service, *link, std::move(visitor), std::move(*stream));
        return true;
    }
    if (auto connection = link != nullptr ? link->parked.take() : std::nullopt) {
        announce_at_once(service, *link, std::move(visitor), std::move(*connection));
        return true;
    }
    return false;
}

void Visitors::serve_waiting(PublicService& service)
{
    while (auto visitor = room_.dismiss_unannounced(service.number)) {
        if (begin_at_once(service, *visitor))
            continue;
        room_.enter(std::move(*visitor));
        return;
    }
}

// On a stream that others have used, without anyone's being told of the visitor.
void Visitors::go_on_with(PublicService& service, OriginLink& link, Visitor visitor,
                          HttpStream stream)
{
    visitor.exchange->use_old_stream(stream.born);
    visitor.attempt.emplace(link.carrier);
    service.announced_to(link);
    FramedStream framed;
    framed.sends_raw = stream.sends_raw;
    framed.receives_raw = stream.receives_raw;
    relay(std::move(visitor), std::move(stream.channel), std::move(framed));
}

void Visitors::relay(Visitor visitor, Channel data, std::optional<FramedStream> framed)
{
    counts_.pairing.observe(Clock::now() - visitor.arrived);
    served_.serve(std::move(visitor), std::move(data), std::move(framed));
}

// The visitor waits until it is paired. There must be room.
void Visitors::enter(PublicService& service, Visitor visitor)
{
    const auto arrived = visitor.arrived;
    room_.enter(std::move(visitor));
    announce(service);
    alarm_.ring_by(arrived + options_.pairing_timeout);
}

// With a parked connection the visitor waits half a round trip instead of one and a half. Its first
// bytes go with the announcement.
void Visitors::announce_at_once(PublicService& service, OriginLink& link, Visitor visitor,
                                Channel connection)
{
    const Ticket ticket{random_bytes()};
    FramedStream stream;
    stream.unsent = encode(announcement(ticket, visitor, service.options));
    stream.awaits_start = true;
    visitor.attempt.emplace(link.carrier);
    visitor.early.emplace(EarlyAnnouncement{ticket, link.carrier});
    service.announced_to(link);
    relay(std::move(visitor), std::move(connection), std::move(stream));
}

void Visitors::announce(PublicService& service)
{
    if (service.servers.empty() || state_.data_goes_elsewhere)
        return;
    const auto now = Clock::now();
    std::vector<std::pair<Ticket, std::string>> hopeless;
    room_.hand_out_tickets(service.number, [&](const Ticket& ticket, Visitor& visitor) {
        OriginLink* const link = service.choose(visitor, now);
        if (link != nullptr) {
            visitor.attempt.emplace(link->carrier);
            visitor.awaits_successor = false;
            service.announced_to(*link);
            link->connection.post(announcement(ticket, visitor, service.options));
            return true;
        }
        const bool is_bound = visitor.only_for() != nullptr;
        if (is_bound && service.is_replaced(visitor))
            hopeless.emplace_back(ticket, "its first bytes went to an origin proxy that is gone");
        else if (!is_bound && service.is_served() && !visitor.awaits_successor)
            hopeless.emplace_back(ticket, "refused by every origin proxy");
        else
            return false; // the origin proxy may come back
        return true;      // the ticket serves to dismiss it
    });
    for (const auto& [ticket, why] : hopeless) {
        if (auto visitor = room_.dismiss(ticket)) {
            ++counts_.refused;
            turn_away(std::move(*visitor), {Code::origin_refused, why}, Blame::origin_side);
        }
    }
}

void Visitors::on_relay_end(Visitor visitor, Flow flow)
{
    if (flow.filter) // there are no other filters
        visitor.exchange.reset(static_cast<HttpExchange*>(flow.filter.release()));
    if (flow.end == End::handed_back)
        return hand_back(std::move(visitor), std::move(flow));
    OriginLink* const link = links_.find(visitor.announced_on());
    if (flow.second.is_open() && link != nullptr && link->parking)
        link->parked.put(std::move(flow.second));
    const ServicePointer service = visitor.service();
    if (service && state_.data_goes_elsewhere)
        serve_waiting(*service);
    if (flow.end == End::not_started) {
        if (link != nullptr)
            link->parked.drop_older(visitor.arrived); // when it was taken: admit()
        log::debug("an idle connection was dead", {{"visitor", visitor.address()}});
    }
    const bool may_wait = service && !service->retired && !state_.stopped && !room_.full();
    if (flow.end == End::not_started && may_wait) {
        visitor.channel = std::move(flow.first);
        const bool does_no_harm = flow.first_to_second == 0 || visitor.exchange;
        visitor.end_attempt(does_no_harm ? AttemptEnd::not_started : AttemptEnd::maybe_heard);
        enter(*service, std::move(visitor));
        return;
    }
    Reason end = describe(flow.end, sides_of_remote);
    if (flow.end == End::cut_off && !flow.refusal.empty())
        end = closed();
    if (flow.end == End::start_timeout) {
        end = not_in_time();
        ++counts_.late;
    }
    if (flow.end == End::forbidden)
        tallies_.count(tallies_.foreign_proxy_header, visitor.address(), end.text);
    if (flow.end == End::refused) {
        if (const Reason why = reason_of(flow.refusal); !why.empty())
            end = why;
        if (flow.first.is_open() && visitor.only_for() != nullptr) {
            visitor.channel = std::move(flow.first);
            on_refusal(std::move(visitor), end);
            return;
        }
    }
    if (flow.first.is_open() && visitor.exchange) {
        visitor.channel = std::move(flow.first);
        turn_away(std::move(visitor), end, Blame::origin_side);
        return;
    }
    if (service && (flow.end == End::finished || flow.second_to_first > 0))
        note_success(*service, visitor);
    if (service) {
        service->counts.to_origin += flow.first_to_second;
        service->counts.to_visitor += flow.second_to_first;
    }
    visitor_left_.notify();
    const bool was_not_served =
        flow.end == End::start_timeout || flow.end == End::refused || flow.end == End::not_started;
    records_.note_end(visitor, flow.first_to_second, flow.second_to_first, end,
                      was_not_served ? Blame::origin_side : Blame::nobody);
}

// The visitor may have another request, for another service perhaps.
void Visitors::hand_back(Visitor visitor, Flow flow)
{
    streams_.keep(visitor, flow);
    if (const ServicePointer service = visitor.service()) {
        if (state_.data_goes_elsewhere)
            serve_waiting(*service);
        if (flow.second_to_first > 0)
            note_success(*service, visitor);
        service->counts.to_origin += flow.first_to_second;
        service->counts.to_visitor += flow.second_to_first;
    }
    visitor_left_.notify();
    const auto after = visitor.exchange->after();
    if (after == HttpExchange::After::next || after == HttpExchange::After::again)
        records_.note_hand_back(visitor, flow.first_to_second, flow.second_to_first);
    else
        records_.note_end(visitor, flow.first_to_second, flow.second_to_first,
                          describe(flow.end, sides_of_remote), Blame::nobody);
    if (state_.stopped)
        reset(flow.first);
    else
        visitor.exchange->give_back(std::move(flow.first));
}

void Visitors::note_success(PublicService& service, const Visitor& visitor)
{
    if (PublicService::Server* const server = service.server(visitor.announced_on()))
        server->refused.reset();
}

// An origin proxy could not connect the visitor, and took none of its bytes: another may serve it.
void Visitors::on_refusal(Visitor visitor, const Reason& why)
{
    const ServicePointer service = visitor.service();
    if (service) {
        if (PublicService::Server* const server = service->server(visitor.announced_on()))
            server->refused = Clock::now();
    }
    // One that leaves is followed by its next process, most likely.
    const bool is_leaving = why.code == Code::shutting_down;
    if (may_wait_again(visitor) && (is_leaving || service->has_another_for(visitor))) {
        log::debug(
            "refused, so another origin proxy is asked",
            {{"visitor", visitor.address()}, {"code", name_of(why.code)}, {"reason", why.text}});
        visitor.end_attempt(AttemptEnd::refused);
        visitor.awaits_successor = is_leaving;
        enter(*service, std::move(visitor));
        return;
    }
    ++counts_.refused;
    turn_away(std::move(visitor), why, Blame::origin_side);
}

// The data connection broke before the start: no bytes were sent on it, and no origin proxy has
// begun to serve the visitor, unless its first bytes went out on a parked connection before.
void Visitors::on_broken(Visitor visitor, const Reason& why)
{
    if (visitor.only_for() != nullptr) {
        ++counts_.broken;
        turn_away(std::move(visitor), why, Blame::origin_side);
    } else if (std::exchange(visitor.broken_off, true) || !may_wait_again(visitor)) {
        on_refusal(std::move(visitor), why);
    } else { // the origin proxy may be leaving, which will show next
        const ServicePointer service = visitor.service();
        if (PublicService::Server* const server = service->server(visitor.announced_on()))
            server->refused = Clock::now();
        visitor.end_attempt(AttemptEnd::broken);
        enter(*service, std::move(visitor));
    }
}

bool Visitors::may_wait_again(const Visitor& visitor) const
{
    const ServicePointer service = visitor.service();
    return service && !service->retired && !state_.stopped && !room_.full() &&
           Clock::now() < visitor.arrived + options_.pairing_timeout;
}

void Visitors::turn_away(Visitor visitor, const Reason& why, Blame blame)
{
    const bool is_answered =
        visitor.exchange && !state_.stopped && why.code != Code::closed_by_management;
    if (!is_answered)
        reset(visitor.channel);
    visitor_left_.notify();
    records_.note_end(visitor, 0, 0, why, blame);
    if (is_answered)
        visitor.exchange->fail(std::move(visitor.channel), answer_to(why));
}

awaitable<void> Visitors::pair(AsyncChannel channel, std::string peer, Ticket ticket)
{
    bool gone = false;
    auto on_gone = [&channel, &gone] {
        gone = true;
        std::error_code ignored;
        channel.socket().close(ignored);
    };
    const OriginLink* const link = links_.find(room_.announced_to(ticket));
    auto claim = link != nullptr ? room_.claim(ticket, on_gone) : std::nullopt;
    if (!claim) {
        tallies_.count(tallies_.strangers, peer, make_error_code(Errc::unknown_ticket).message(),
                       Code::unknown_ticket);
        co_return;
    }
    // The session of the connection, whoever is logged in later.
    std::optional<FramedStream> framed;
    if (link->session)
        framed.emplace();
    else
        reset_on_close(channel.socket().native_handle());
    Reason failure;
    bool refused = false;
    try {
        const Frame frame = co_await read_frame(channel);
        const auto* const refuse = std::get_if<Refuse>(&frame);
        refused = refuse != nullptr;
        if (refused)
            failure = {code_of(*refuse),
                       refuse->text.empty() ? "refused by the origin proxy" : refuse->text};
        else if (!std::holds_alternative<Start>(frame))
            failure = broken_by(make_error_code(Errc::unexpected_frame));
    } catch (const std::system_error& error) {
        failure = broken_by(error.code());
    }
    if (gone) // already logged where the visitor was dismissed
        co_return;
    auto visitor = claim->take();
    if (!visitor)
        co_return;
    const Carrier& carrier = visitor->attempt->by();
    if (failure.empty() && !trust_.trusts(carrier.credential, carrier.secret))
        failure = {Code::not_trusted, "the origin proxy is no longer trusted"};
    if (failure.empty()) {
        relay(std::move(*visitor), channel.release(), std::move(framed));
    } else if (refused) {
        on_refusal(std::move(*visitor), failure);
    } else {
        on_broken(std::move(*visitor), failure);
    }
}

void Visitors::on_refuse(const OriginLink& link, const Refuse& refuse)
{
    if (room_.announced_to(refuse.ticket) != link.number)
        return;
    auto visitor = room_.dismiss(refuse.ticket);
    if (!visitor)
        return;
    Reason why{code_of(refuse), refuse.text};
    // It may have been served on a connection that broke, so nobody else may have its first bytes.
    if (why.code == Code::data_connection_lost && visitor->only_for() != nullptr)
        on_broken(std::move(*visitor), why);
    else
        on_refusal(std::move(*visitor), why);
}

void Visitors::revoke(const OriginLink& link)
{
    streams_.pool().close_those_of(
        [&link](const Carrier& carrier) { return carrier.link == link.number; });
    room_.revoke_tickets(link.number);
}

// ---- Ends from outside

void Visitors::end_waiting_for_closed(const PublicService& service, std::string_view why)
{
    streams_.pool().end_all_of(service.number);
    while (auto visitor = room_.dismiss_unannounced(service.number)) {
        ++counts_.service_closed;
        turn_away(std::move(*visitor), {Code::service_closed, std::string(why)});
    }
}

bool Visitors::end_waiting_for_deserted(const PublicService& service)
{
    for (int i = 0; i < ended_per_turn; ++i) {
        auto visitor = room_.dismiss_unannounced(service.number);
        if (!visitor)
            return true;
        ++counts_.late;
        turn_away(std::move(*visitor), {Code::late, "no origin proxy came back"},
                  Blame::origin_side);
    }
    return false;
}

void Visitors::end_pairing(std::uint64_t link)
{
    for (Visitor& visitor : room_.dismiss_claimed(link))
        turn_away(std::move(visitor), closed());
}

void Visitors::end_waiting(const std::function<bool(const Visitor&)>& which)
{
    for (Visitor& visitor : room_.dismiss_if(which))
        turn_away(std::move(visitor), closed());
}

bool Visitors::end(std::uint64_t id)
{
    const auto is_it = [id](const Visitor& visitor) { return visitor.id == id; };
    if (served_.contains(id)) {
        served_.end(is_it);
        return true;
    }
    const std::size_t before = room_.size();
    end_waiting(is_it);
    return room_.size() != before;
}

void Visitors::expire(Clock::time_point now)
{
    streams_.pool().expire(now);
    for (int i = 0; i < ended_per_turn; ++i) {
        auto visitor = room_.expire(now - options_.pairing_timeout);
        if (!visitor)
            return;
        ++counts_.late;
        turn_away(std::move(*visitor), not_in_time(), Blame::origin_side);
    }
}

std::optional<Clock::time_point> Visitors::next_deadline() const
{
    auto next = streams_.pool().next_deadline();
    if (const auto oldest = room_.oldest_arrival()) {
        const auto late = *oldest + options_.pairing_timeout;
        next = std::min(next.value_or(late), late);
    }
    return next;
}

void Visitors::end_all_waiting()
{
    while (auto visitor = room_.expire(Clock::time_point::max()))
        turn_away(std::move(*visitor), describe(End::stopped, sides_of_remote));
}

Reason Visitors::not_in_time() const
{
    return {Code::late, fmt::format("not connected to the origin server within {}",
                                    to_string(options_.pairing_timeout))};
}

// ---- While the program stops

awaitable<void> Visitors::finish_pairing(Clock::time_point limit)
{
    constexpr auto look_again = std::chrono::milliseconds(50);
    while (room_.unclaimed_tickets() > 0 && Clock::now() < limit)
        co_await visitor_left_.wait_until(std::min(limit, Clock::now() + look_again));
}

awaitable<void> Visitors::end_unclaimed()
{
    for (int i = 1; auto visitor = room_.dismiss_unclaimed(); ++i) {
        turn_away(std::move(*visitor), describe(End::stopped, sides_of_remote));
        if (i % ended_per_turn == 0)
            co_await yield_to_others();
    }
}

awaitable<void> Visitors::finish(Clock::time_point limit)
{
    // Visitors without their PROXY header are not let in any more.
    while (size() > admission_.unidentified() && Clock::now() < limit)
        co_await visitor_left_.wait_until(limit);
}

// ---- What there is

std::vector<VisitorStatus> Visitors::after(std::uint64_t after, std::size_t limit,
                                           const VisitorFilter& filter) const
{
    const auto now = Clock::now();
    std::vector<VisitorStatus> found;
    const auto look = [&](const Visitor& visitor, const PairView* view) {
        const OriginName* const origin = visitor.origin();
        if (visitor.id <= after || (filter.service && *filter.service != visitor.service_name()))
            return;
        if (filter.origin && (origin == nullptr || !origin->answers_to(*filter.origin)))
            return;
        VisitorStatus& status =
            found.emplace_back(VisitorStatus{visitor.id, visitor.address(), visitor.service_name(),
                                             origin == nullptr ? "" : origin->shown()});
        status.age = now - visitor.arrived;
        if (view == nullptr)
            return;
        status.is_relayed = true;
        status.to_origin = view->first_to_second.load(std::memory_order_relaxed);
        status.to_visitor = view->second_to_first.load(std::memory_order_relaxed);
    };
    room_.for_each([&look](const Visitor& visitor) { look(visitor, nullptr); });
    const std::size_t waiting = found.size();
    served_.look_at(after, [&](const Visitor& visitor, const PairView& view) {
        look(visitor, &view);
        return found.size() < waiting + limit;
    });
    std::ranges::sort(found, {}, &VisitorStatus::id);
    if (found.size() > limit)
        found.resize(limit);
    return found;
}

} // namespace tunnel
