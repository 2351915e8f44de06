#include "remote-proxy/visitors/visitors.hpp"

#include <algorithm>
#include <cerrno>
#include <utility>

#include <fmt/format.h>
#include <sys/socket.h>

#include "common/base/counted.hpp"
#include "common/base/error.hpp"
#include "common/base/log.hpp"
#include "common/management/json_response.hpp"
#include "common/protocol/wire.hpp"
#include "common/relay/describe.hpp"
#include "common/relay/framing.hpp"
#include "common/transport/socket.hpp"
#include "remote-proxy/visitors/proxy_reader.hpp"

namespace tunnel {

namespace {

// Out here because fmt 10 checks a format at compile time, and a coroutine's local is no constant.
constexpr std::string_view broken = "lost its data connection: {}";

// Appends a frame with the bytes that the visitor has sent already, without taking them. How many;
// nullopt: the visitor has reset, and nobody else will be told by the kernel.
std::optional<std::size_t> append_what_is_there(Channel& visitor, std::string& bytes)
{
    std::array<char, 4096> there;
    const ssize_t size = visitor.peek(std::as_writable_bytes(std::span(there)));
    if (size < 0 && errno != EAGAIN)
        return std::nullopt;
    if (size <= 0)
        return 0;
    const auto count = static_cast<std::size_t>(size);
    const auto header = frame_header(StreamFrame::data, count);
    bytes.append(reinterpret_cast<const char*>(header.data()), header.size());
    bytes.append(there.data(), count);
    return count;
}

// Lets no header of the PROXY protocol pass.
Beginning no_proxy_header(std::string_view first)
{
    switch (proxy_signature(first)) {
    case ProxySignature::none:
        return Beginning::allowed;
    case ProxySignature::part:
        return Beginning::undecided;
    case ProxySignature::whole:
        break;
    }
    return Beginning::forbidden;
}

// The words of a refusal that the relay met; empty if it had none.
std::string reason_of(std::string_view body)
{
    const std::span bytes(reinterpret_cast<const std::uint8_t*>(body.data()), body.size());
    const auto frame = decode(static_cast<std::uint8_t>(FrameKind::refuse), bytes);
    const auto* const refuse = frame ? std::get_if<Refuse>(&*frame) : nullptr;
    return refuse != nullptr ? refuse->text : std::string();
}

// "ip:port" of this machine; empty if it is gone already.
std::string arrived_at(const PublicService& service, int visitor)
{
    const tcp::endpoint there = service.outside.endpoint();
    if (!there.address().is_unspecified())
        return to_string(there);
    tcp::endpoint exact;
    auto size = static_cast<socklen_t>(exact.capacity());
    if (::getsockname(visitor, exact.data(), &size) != 0)
        return {};
    exact.resize(size);
    return to_string(exact);
}

// Where there is only one, nobody needs its name.
std::string_view shown_name(const std::shared_ptr<const std::string>& name)
{
    return name && *name != default_service ? std::string_view(*name) : std::string_view();
}

} // namespace

Visitors::Visitors(Uses uses)
    : io_(uses.io),
      options_(uses.options),
      capacity_(uses.capacity),
      state_(uses.state),
      trust_(uses.trust),
      links_(uses.links),
      tallies_(uses.tallies),
      alarm_(uses.alarm),
      events_(uses.events),
      relay_(uses.relay),
      tasks_(uses.tasks),
      room_(options_.max_waiting),
      visitor_left_(io_.get_executor())
{
}

void Visitors::accept(const ServicePointer& service)
{
    tasks_.spawn("accepting visitors", accept_visitors(service));
}

awaitable<void> Visitors::accept_visitors(ServicePointer service)
{
    Listener& outside = service->outside;
    while (!service->retired) {
        if (!outside.is_open()) {
            co_await service->opened.wait();
            continue;
        }
        if (!is_full()) {
            service->full_since.reset();
        } else {
            const bool everyone_heard = co_await make_room(*service);
            if (!everyone_heard) {
                co_await yield_to_others();
                continue;
            }
        }
        co_await outside.wait();
        for (int i = 0; i < accept_batch && outside.is_open() && !is_full(); ++i) {
            std::error_code error;
            auto accepted = outside.accept(error);
            if (accepted) {
                service->full_since.reset();
                welcome(service, std::move(*accepted));
            } else if (error == std::errc::operation_would_block) {
                break;
            } else if (!concerns_one_connection(error)) {
                co_await pause_accepting(tallies_, "the outside address", error);
            }
        }
    }
}

// Leaves visitors in the kernel's queue until somebody leaves; but nobody waits there for ever.
// Whether there is room, or the queue is empty.
awaitable<bool> Visitors::make_room(PublicService& service)
{
    if (!service.full_since)
        service.full_since = Clock::now();
    const auto patience = *service.full_since + options_.pairing_timeout;
    while (is_full() && Clock::now() < patience)
        co_await visitor_left_.wait_until(patience);
    std::error_code error;
    for (int i = 0; i < accept_batch && is_full() && !error && service.outside.is_open(); ++i) {
        if (auto accepted = service.outside.accept(error)) {
            constexpr std::string_view why = "no descriptors left for more visitors";
            tallies_.count(tallies_.overflow, to_string(accepted->peer), why);
            note_refusal(service, to_string(accepted->peer), why, true);
            reset(accepted->socket);
        }
    }
    if (error == std::errc::operation_would_block) {
        service.full_since.reset(); // those who come from now on have patience of their own
    } else if (error && !concerns_one_connection(error) && service.outside.is_open()) {
        co_await pause_accepting(tallies_, "the outside address", error);
    }
    co_return !is_full() || error == std::errc::operation_would_block;
}

// Whether one more visitor from this address may wait. Most of the room is for other services, so
// that one that nobody serves, or whose origin servers hang, does not keep visitors from them.
// Where there is no room, the address from which most wait gives up a visitor, which is reset.
bool Visitors::find_room(const PublicService& service, const asio::ip::address& address,
                         std::string_view reason)
{
    const bool is_share_used =
        !capacity_.is_only_service() && room_.waiting(service.number) * 4 > options_.max_waiting;
    if (!is_share_used && !room_.full())
        return true;
    auto given_up =
        is_share_used ? room_.make_room_for(address, service.number) : room_.make_room_for(address);
    if (!given_up)
        return false;
    tallies_.count(tallies_.overflow, given_up->address, reason);
    turn_away(std::move(*given_up), reason);
    return true;
}

void Visitors::welcome(const ServicePointer& service, Listener::Accepted accepted)
{
    if (contains(service->options.rules.accept_proxy_from, accepted.peer.address())) {
        tasks_.spawn("a visitor behind a load balancer", identify(service, std::move(accepted)));
        return;
    }
    std::string outside = arrived_at(*service, accepted.socket.get());
    const bool is_guarded = service->options.rules.foreign_header == ForeignHeader::reset;
    admit(service, std::move(accepted), std::move(outside), is_guarded ? no_proxy_header : nullptr);
}

// Whose connection it is, the load balancer says first.
awaitable<void> Visitors::identify(ServicePointer service, Listener::Accepted accepted)
{
    struct Tells {
        Signal& signal;

        ~Tells() { signal.notify(); }
    };

    const Tells tells{visitor_left_}; // when it counts no more
    const Counted counted(unidentified_);
    std::string outside = arrived_at(*service, accepted.socket.get());
    try {
        const auto addresses =
            co_await read_proxy_header(accepted.socket, Clock::now() + options_.handshake_timeout);
        if (addresses) {
            accepted.peer = addresses->visitor;
            outside = to_string(addresses->outside);
        }
    } catch (const std::system_error& error) {
        if (state_.stopped) // it is cancelled
            throw;
        if (error.code() == asio::error::eof)
            log::debug("a load balancer looked whether this is there",
                       {{"peer", to_string(accepted.peer)}});
        else
            tallies_.count(tallies_.headless, to_string(accepted.peer), error.code().message());
        if (error.code() != asio::error::eof)
            note_refusal(*service, to_string(accepted.peer), "no header of the PROXY protocol",
                         false);
        reset(accepted.socket);
        co_return;
    }
    if (service->retired || state_.stopping)
        reset(accepted.socket);
    else
        admit(service, std::move(accepted), std::move(outside), nullptr);
}

void Visitors::admit(const ServicePointer& service, Listener::Accepted accepted,
                     std::string outside, Guard guard)
{
    const auto now = Clock::now();
    auto answer = service->limits.admit(accepted.peer.address(), now);
    if (const auto* const refusal = std::get_if<Refusal>(&answer)) {
        tallies_.count(*refusal, to_string(accepted.peer));
        note_refusal(*service, to_string(accepted.peer), describe(*refusal), true);
        reset(accepted.socket);
        return;
    }
    constexpr std::string_view too_many = "too many visitors wait";
    if (!find_room(*service, accepted.peer.address(), too_many)) {
        tallies_.count(tallies_.overflow, to_string(accepted.peer), too_many);
        note_refusal(*service, to_string(accepted.peer), too_many, true);
        reset(accepted.socket);
        return;
    }
    log::debug("new visitor", {{"visitor", to_string(accepted.peer)}, {"waiting", room_.size()}});
    ++service->counts.visitors;
    Visitor visitor{std::move(accepted.socket), to_string(accepted.peer), now};
    visitor.ip = accepted.peer.address();
    visitor.place = std::move(std::get<VisitorLimits::Place>(answer));
    visitor.service = service;
    visitor.service_number = service->number;
    visitor.service_name = service->name;
    visitor.outside = std::move(outside);
    visitor.guard = guard;
    visitor.id = ++latest_visitor_;
    if (events_.is_heard())
        events_.publish("visitor_opened", to_line(Json{{"id", visitor.id},
                                                       {"address", visitor.address},
                                                       {"service", *visitor.service_name}}));
    OriginLink* const link = service->choose(visitor, now);
    if (auto connection = link != nullptr ? link->parked.take() : std::nullopt)
        admit_at_once(*service, *link, std::move(visitor), std::move(*connection));
    else
        enter(*service, std::move(visitor));
}

// It waits until it is paired. There must be room.
void Visitors::enter(PublicService& service, Visitor visitor)
{
    const auto arrived = visitor.arrived;
    room_.enter(std::move(visitor));
    announce(service);
    alarm_.ring_by(arrived + options_.pairing_timeout);
}

// A parked connection costs it half a round trip instead of one and a half. What it has said
// already goes with the announcement.
void Visitors::admit_at_once(PublicService& service, OriginLink& link, Visitor visitor,
                             Channel connection)
{
    const Ticket ticket{random_bytes()};
    std::string bytes = encode(announcement(ticket, visitor, service.options));
    visitor.attempt.emplace(link.carrier);
    // The relay looks at the first bytes of one who is guarded, and says under a limit how much may
    // go.
    const bool waits = visitor.guard != nullptr || !limits_of(visitor).first_to_second.empty();
    const auto ahead =
        waits ? std::optional<std::size_t>(0) : append_what_is_there(visitor.channel, bytes);
    if (!ahead) {
        link.parked.put(std::move(connection));
        visitor.attempt.reset();
        turn_away(std::move(visitor), "reset by the visitor");
        return;
    }
    visitor.early.emplace(EarlyAnnouncement{ticket, link.carrier});
    service.told(link);
    FramedStream stream;
    stream.awaits_start = true;
    stream.sent_ahead = *ahead;
    const ssize_t sent = connection.send(std::as_bytes(std::span(bytes)));
    stream.unsent = bytes.substr(sent < 0 ? 0 : static_cast<std::size_t>(sent));
    relay(std::move(visitor), std::move(connection), std::move(stream));
}

void Visitors::announce(PublicService& service)
{
    if (service.servers.empty())
        return;
    const auto now = Clock::now();
    std::vector<std::pair<Ticket, std::string_view>> hopeless;
    room_.hand_out_tickets(service.number, [&](const Ticket& ticket, Visitor& visitor) {
        OriginLink* const link = service.choose(visitor, now);
        if (link != nullptr) {
            visitor.attempt.emplace(link->carrier);
            service.told(*link);
            link->announce(ticket, visitor, service.options);
            return true;
        }
        const bool is_bound = visitor.only_for() != nullptr;
        if (is_bound && service.is_replaced(visitor))
            hopeless.emplace_back(ticket, "its first bytes went to an origin proxy that is gone");
        else if (!is_bound && service.is_served())
            hopeless.emplace_back(ticket, "refused by every origin proxy");
        else
            return false; // that one may come back
        return true;      // with a ticket, by which it is dismissed
    });
    for (const auto& [ticket, why] : hopeless) {
        if (auto visitor = room_.dismiss(ticket)) {
            ++counts_.refused;
            turn_away(std::move(*visitor), why, Blame::origin_side);
        }
    }
}

void Visitors::relay(Visitor visitor, Channel data, std::optional<FramedStream> framed)
{
    PairOptions pair_options{visitor.attempt->by().group, limits_of(visitor), visitor.guard};
    counts_.pairing.observe(Clock::now() - visitor.arrived);
    const auto known = std::make_shared<Relayed>(std::move(visitor));
    pair_options.view = &known->view;
    pair_options.framed = std::move(framed);
    // Most come in the order of their numbers.
    relayed_.emplace_hint(relayed_.end(), known->visitor.id, known.get());
    auto done = [this, known](Flow& flow) {
        asio::post(io_, [this, known, flow = std::move(flow)]() mutable {
            relayed_.erase(known->visitor.id);
            const bool ends = flow.end == End::cut_off || flow.end == End::not_started ||
                              flow.end == End::refused;
            if (ends && known->view.unwanted) { // it must not come in once more
                flow.end = End::cut_off;
                flow.refusal = closed_by_management;
            }
            on_relay_end(std::move(known->visitor), std::move(flow));
        });
    };
    relay_.hand_over(std::move(known->visitor.channel), std::move(data), std::move(done),
                     std::move(pair_options));
}

PairLimits Visitors::limits_of(const Visitor& visitor) const
{
    PairLimits limits;
    Bandwidths& up = limits.first_to_second;
    Bandwidths& down = limits.second_to_first;
    if (const ServicePointer service = visitor.service.lock()) {
        add_limits(service->options.rules.bandwidth.each, up, down);
        service->bandwidth.add_to(up, down);
    }
    if (const auto& bandwidth = visitor.attempt->by().bandwidth)
        bandwidth->add_to(up, down);
    return limits;
}

void Visitors::on_relay_end(Visitor visitor, Flow flow)
{
    OriginLink* const link = links_.find(visitor.announced_on());
    if (flow.second.is_open() && link != nullptr && link->parking)
        link->parked.put(std::move(flow.second));
    const ServicePointer service = visitor.service.lock();
    if (flow.end == End::not_started) {
        if (link != nullptr)
            link->parked.drop_older(visitor.arrived); // when it was taken: admit()
        log::debug("a parked connection was dead", {{"visitor", visitor.address}});
    }
    const bool may_wait = service && !service->retired && !state_.stopped && !room_.full();
    if (flow.end == End::not_started && may_wait) {
        visitor.channel = std::move(flow.first);
        visitor.end_attempt(flow.first_to_second == 0 ? AttemptEnd::not_started
                                                      : AttemptEnd::maybe_heard);
        enter(*service, std::move(visitor));
        return;
    }
    std::string how = describe(flow.end, "visitor", "origin side");
    if (flow.end == End::cut_off && !flow.refusal.empty())
        how = flow.refusal;
    if (flow.end == End::start_timeout) {
        how = not_in_time();
        ++counts_.late;
    }
    if (flow.end == End::forbidden) {
        how = "began with a header of the PROXY protocol";
        tallies_.count(tallies_.foreign, visitor.address, how);
    }
    if (flow.end == End::refused) {
        if (const std::string why = reason_of(flow.refusal); !why.empty())
            how = why;
        if (flow.first.is_open() && visitor.only_for() != nullptr) {
            visitor.channel = std::move(flow.first);
            on_refusal(std::move(visitor), how);
            return;
        }
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
    note_end(visitor, flow.first_to_second, flow.second_to_first, how,
             was_not_served ? Blame::origin_side : Blame::nobody);
}

void Visitors::note_end(const Visitor& visitor, std::uint64_t up, std::uint64_t down,
                        std::string_view how, Blame blame)
{
    const auto duration = Clock::now() - visitor.arrived;
    log_visitor_end(visitor.address, up, down, duration, how, shown_name(visitor.service_name),
                    blame);
    if (!events_.is_heard())
        return;
    Json event{{"id", visitor.id},
               {"address", visitor.address},
               {"service", *visitor.service_name},
               {"origin", nullptr},
               {"bytes_to_origin", up},
               {"bytes_to_visitor", down},
               {"seconds", std::chrono::duration<double>(duration).count()},
               {"reason", how}};
    if (const OriginName* const origin = visitor.origin())
        event["origin"] = origin->shown();
    events_.publish("visitor_closed", to_line(event));
}

// Of one that was not let in.
void Visitors::note_refusal(const PublicService& service, std::string_view address,
                            std::string_view reason, bool is_limit)
{
    if (events_.is_heard())
        events_.publish("visitor_refused", to_line(Json{{"address", address},
                                                        {"service", *service.name},
                                                        {"reason", reason},
                                                        {"limit", is_limit}}));
}

void Visitors::note_success(PublicService& service, const Visitor& visitor)
{
    if (PublicService::Server* const server = service.server(visitor.announced_on()))
        server->refused.reset();
}

// An origin proxy has not connected it to the origin server, and nothing of it was taken: somebody
// else may serve it.
void Visitors::on_refusal(Visitor visitor, std::string_view why)
{
    const ServicePointer service = visitor.service.lock();
    if (service) {
        if (PublicService::Server* const server = service->server(visitor.announced_on()))
            server->refused = Clock::now();
    }
    if (may_wait_again(visitor) && service->has_another_for(visitor)) {
        log::debug("refused, so another origin proxy is asked",
                   {{"visitor", visitor.address}, {"reason", why}});
        visitor.end_attempt(AttemptEnd::refused);
        enter(*service, std::move(visitor));
        return;
    }
    ++counts_.refused;
    turn_away(std::move(visitor), why, Blame::origin_side);
}

// Its data connection broke before the start: nothing of it was sent there, and nobody has begun to
// serve it, unless it said something on a parked connection before.
void Visitors::on_broken(Visitor visitor, std::string_view why)
{
    if (visitor.only_for() != nullptr) {
        ++counts_.broken;
        turn_away(std::move(visitor), why, Blame::origin_side);
    } else if (std::exchange(visitor.broken_off, true) || !may_wait_again(visitor)) {
        on_refusal(std::move(visitor), why);
    } else { // the origin proxy itself may be on its way out, and what shows it comes next
        const ServicePointer service = visitor.service.lock();
        if (PublicService::Server* const server = service->server(visitor.announced_on()))
            server->refused = Clock::now();
        visitor.end_attempt(AttemptEnd::broken);
        enter(*service, std::move(visitor));
    }
}

bool Visitors::may_wait_again(const Visitor& visitor) const
{
    const ServicePointer service = visitor.service.lock();
    return service && !service->retired && !state_.stopped && !room_.full() &&
           Clock::now() < visitor.arrived + options_.pairing_timeout;
}

void Visitors::turn_away(Visitor visitor, std::string_view why, Blame blame)
{
    reset(visitor.channel);
    visitor_left_.notify();
    note_end(visitor, 0, 0, why, blame);
}

awaitable<void> Visitors::pair(ControlPort::Connection connection, Ticket ticket)
{
    bool gone = false;
    auto on_gone = [&connection, &gone] {
        gone = true;
        std::error_code ignored;
        connection.channel.socket().close(ignored);
    };
    const OriginLink* const link = links_.find(room_.told_to(ticket));
    auto claim = link != nullptr ? room_.claim(ticket, on_gone) : std::nullopt;
    if (!claim) {
        tallies_.count(tallies_.strangers, connection.peer,
                       make_error_code(Errc::unknown_ticket).message());
        co_return;
    }
    reset_on_close(connection.channel.socket().native_handle());
    // Whose it is, whoever is logged in when it has started.
    std::optional<FramedStream> framed;
    if (link->session)
        framed.emplace();
    std::string failure;
    bool refused = false;
    try {
        const Frame frame = co_await read_frame(connection.channel);
        const auto* const refuse = std::get_if<Refuse>(&frame);
        refused = refuse != nullptr;
        if (refused)
            failure = refuse->text.empty() ? "refused by the origin proxy" : refuse->text;
        else if (!std::holds_alternative<Start>(frame))
            failure = fmt::format(broken, make_error_code(Errc::unexpected_frame).message());
    } catch (const std::system_error& error) {
        failure = fmt::format(broken, error.code().message());
    }
    if (gone) // and told by whoever let the visitor go
        co_return;
    auto visitor = claim->take();
    if (!visitor)
        co_return;
    const Carrier& carrier = visitor->attempt->by();
    if (failure.empty() && !trust_.trusts(carrier.credential, carrier.secret))
        failure = "the origin proxy is trusted no longer";
    if (failure.empty()) {
        relay(std::move(*visitor), connection.channel.release(), std::move(framed));
    } else if (refused) {
        on_refusal(std::move(*visitor), failure);
    } else {
        on_broken(std::move(*visitor), failure);
    }
}

void Visitors::accept_connected(const ServicePointer& service)
{
    std::error_code error;
    for (int i = 0; i < SOMAXCONN && service->outside.is_open() &&
                    (!error || concerns_one_connection(error)) && !is_full();
         ++i) {
        error.clear();
        if (auto accepted = service->outside.accept(error))
            welcome(service, std::move(*accepted));
    }
}

void Visitors::on_refuse(const OriginLink& link, const Refuse& refuse)
{
    if (room_.told_to(refuse.ticket) != link.number)
        return;
    if (auto visitor = room_.dismiss(refuse.ticket))
        on_refusal(std::move(*visitor), refuse.text);
}

void Visitors::revoke(const OriginLink& link)
{
    room_.revoke_tickets(link.number);
}

// ---- Ends from outside

void Visitors::end_waiting_for_closed(const PublicService& service, std::string_view why)
{
    while (auto visitor = room_.dismiss_untold(service.number)) {
        ++counts_.service_closed;
        turn_away(std::move(*visitor), why);
    }
}

bool Visitors::end_waiting_for_deserted(const PublicService& service)
{
    for (int i = 0; i < ended_per_turn; ++i) {
        auto visitor = room_.dismiss_untold(service.number);
        if (!visitor)
            return true;
        ++counts_.late;
        turn_away(std::move(*visitor), "no origin proxy came back", Blame::origin_side);
    }
    return false;
}

void Visitors::end_pairing(std::uint64_t link)
{
    for (Visitor& visitor : room_.dismiss_claimed(link))
        turn_away(std::move(visitor), closed_by_management);
}

bool Visitors::any_relayed(const std::function<bool(const Visitor&)>& which) const
{
    return std::ranges::any_of(
        relayed_, [&which](const auto& entry) { return which(entry.second->visitor); });
}

void Visitors::end_relayed(const std::function<bool(const Visitor&)>& which)
{
    bool any = false;
    for (const auto& [id, relayed] : relayed_) {
        if (which(relayed->visitor)) {
            relayed->view.unwanted = true;
            any = true;
        }
    }
    if (any)
        relay_.end_unwanted();
}

void Visitors::end_waiting(const std::function<bool(const Visitor&)>& which, std::string_view why)
{
    for (Visitor& visitor : room_.dismiss_if(which))
        turn_away(std::move(visitor), why);
}

void Visitors::end_served_by(const std::function<bool(const Carrier&)>& which)
{
    std::map<std::uint64_t, bool> ends; // by groups
    for (const auto& [id, relayed] : relayed_) {
        const Carrier& carrier = relayed->visitor.attempt->by();
        if (!ends.contains(carrier.group))
            ends[carrier.group] = which(carrier);
    }
    for (const auto& [group, is_over] : ends) {
        if (is_over)
            relay_.end_group(group);
    }
}

bool Visitors::end(std::uint64_t id)
{
    const auto is_it = [id](const Visitor& visitor) { return visitor.id == id; };
    if (relayed_.contains(id)) {
        end_relayed(is_it);
        return true;
    }
    const std::size_t before = room_.size();
    end_waiting(is_it, closed_by_management);
    return room_.size() != before;
}

void Visitors::expire(Clock::time_point now)
{
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
    const auto oldest = room_.oldest_arrival();
    return oldest ? std::optional(*oldest + options_.pairing_timeout) : std::nullopt;
}

void Visitors::end_all_waiting()
{
    while (auto visitor = room_.expire(Clock::time_point::max()))
        turn_away(std::move(*visitor), "cut by the shutdown");
}

std::string Visitors::not_in_time() const
{
    return fmt::format("not connected to the origin server within {}",
                       to_string(options_.pairing_timeout));
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
        turn_away(std::move(*visitor), "cut by the shutdown");
        if (i % ended_per_turn == 0)
            co_await yield_to_others();
    }
}

awaitable<void> Visitors::finish(Clock::time_point limit)
{
    // Those behind a load balancer that has not named them yet are not let in any more.
    while (size() > unidentified_ && Clock::now() < limit)
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
        if (visitor.id <= after || (filter.service && *filter.service != *visitor.service_name))
            return;
        if (filter.origin && (origin == nullptr || !origin->answers_to(*filter.origin)))
            return;
        VisitorStatus& status =
            found.emplace_back(VisitorStatus{visitor.id, visitor.address, *visitor.service_name,
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
    for (auto next = relayed_.upper_bound(after);
         next != relayed_.end() && found.size() < waiting + limit; ++next)
        look(next->second->visitor, &next->second->view);
    std::ranges::sort(found, {}, &VisitorStatus::id);
    if (found.size() > limit)
        found.resize(limit);
    return found;
}

} // namespace tunnel
