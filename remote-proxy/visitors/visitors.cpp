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

#include "remote-proxy/registry/service_plan.hpp"

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

// Appends a frame with the bytes that the visitor has sent already, without taking them. Returns
// how many; nullopt: the visitor has reset, which the kernel reports only once.
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

// A Guard that forbids a PROXY header.
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

// The reason in a refusal that the relay received; empty if it has none.
Reason reason_of(std::string_view body)
{
    const std::span bytes(reinterpret_cast<const std::uint8_t*>(body.data()), body.size());
    const auto frame = decode(static_cast<std::uint8_t>(FrameKind::refuse), bytes);
    const auto* const refuse = frame ? std::get_if<Refuse>(&*frame) : nullptr;
    return refuse != nullptr ? Reason{code_of(*refuse), refuse->text} : Reason();
}

// The local "ip:port"; empty if the visitor has left already.
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

// A single service needs no name.
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

// Leaves visitors in the kernel's queue until another leaves, but not for ever. Returns whether
// there is room, or the queue is empty.
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
            const Reason why{Code::no_room, "no descriptors left for more visitors"};
            tallies_.count(tallies_.no_room, to_string(accepted->peer), why.text);
            note_refusal(service, to_string(accepted->peer), why, true);
            reset(accepted->socket);
        }
    }
    if (error == std::errc::operation_would_block) {
        service.full_since.reset(); // later visitors wait for their own time
    } else if (error && !concerns_one_connection(error) && service.outside.is_open()) {
        co_await pause_accepting(tallies_, "the outside address", error);
    }
    co_return !is_full() || error == std::errc::operation_would_block;
}

// Whether a visitor from this address may wait. A service may fill a quarter of the room only, so
// that one without origin proxy, or with hanging origin servers, does not block the others. If
// there is no room, a visitor from the address with most waiting visitors is reset.
bool Visitors::find_room(const PublicService& service, const asio::ip::address& address,
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
    tallies_.count(tallies_.no_room, given_up->address, reason.text);
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

// The load balancer first says who the visitor is.
awaitable<void> Visitors::identify(ServicePointer service, Listener::Accepted accepted)
{
    struct Tells {
        Signal& signal;

        ~Tells() { signal.notify(); }
    };

    const Tells tells{visitor_left_}; // once it is not counted any more
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
            log::debug("health check of a load balancer", {{"peer", to_string(accepted.peer)}});
        else
            tallies_.count(tallies_.no_proxy_header, to_string(accepted.peer),
                           error.code().message());
        if (error.code() != asio::error::eof)
            note_refusal(*service, to_string(accepted.peer),
                         {Code::no_proxy_header, "no header of the PROXY protocol"}, false);
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
    const Reason too_many{Code::no_room, "too many visitors wait"};
    if (!find_room(*service, accepted.peer.address(), too_many)) {
        tallies_.count(tallies_.no_room, to_string(accepted.peer), too_many.text);
        note_refusal(*service, to_string(accepted.peer), too_many, true);
        reset(accepted.socket);
        return;
    }
    log::debug("new visitor", {{"visitor", to_string(accepted.peer)}, {"waiting", room_.size()}});
    ++service->counts.visitors;
    Visitor visitor{std::move(accepted.socket), to_string(accepted.peer), now};
    visitor.ip = accepted.peer.address();
    visitor.permit = std::move(std::get<VisitorLimits::Permit>(answer));
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
void Visitors::admit_at_once(PublicService& service, OriginLink& link, Visitor visitor,
                             Channel connection)
{
    const Ticket ticket{random_bytes()};
    std::string bytes = encode(announcement(ticket, visitor, service.options));
    visitor.attempt.emplace(link.carrier);
    // With a guard or a bandwidth limit, the relay decides which bytes may go.
    const bool waits = visitor.guard != nullptr || !limits_of(visitor).first_to_second.empty();
    const auto ahead =
        waits ? std::optional<std::size_t>(0) : append_what_is_there(visitor.channel, bytes);
    if (!ahead) {
        link.parked.put(std::move(connection));
        visitor.attempt.reset();
        turn_away(std::move(visitor), describe(End::first_failed, sides_of_remote));
        return;
    }
    visitor.early.emplace(EarlyAnnouncement{ticket, link.carrier});
    service.announced_to(link);
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
    std::vector<std::pair<Ticket, std::string>> hopeless;
    room_.hand_out_tickets(service.number, [&](const Ticket& ticket, Visitor& visitor) {
        OriginLink* const link = service.choose(visitor, now);
        if (link != nullptr) {
            visitor.attempt.emplace(link->carrier);
            service.announced_to(*link);
            link->connection.post(announcement(ticket, visitor, service.options));
            return true;
        }
        const bool is_bound = visitor.only_for() != nullptr;
        if (is_bound && service.is_replaced(visitor))
            hopeless.emplace_back(ticket, "its first bytes went to an origin proxy that is gone");
        else if (!is_bound && service.is_served())
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

void Visitors::relay(Visitor visitor, Channel data, std::optional<FramedStream> framed)
{
    PairOptions pair_options{visitor.attempt->by().group, limits_of(visitor), visitor.guard};
    counts_.pairing.observe(Clock::now() - visitor.arrived);
    const auto known = std::make_shared<Relayed>(std::move(visitor));
    pair_options.view = &known->view;
    pair_options.framed = std::move(framed);
    // Most come in the order of their numbers, so the hint is right.
    relayed_.emplace_hint(relayed_.end(), known->visitor.id, known.get());
    auto done = [this, known](Flow& flow) {
        asio::post(io_, [this, known, flow = std::move(flow)]() mutable {
            relayed_.erase(known->visitor.id);
            const bool ends = flow.end == End::cut_off || flow.end == End::not_started ||
                              flow.end == End::refused;
            if (ends && known->view.unwanted) { // it must not come in once more
                flow.end = End::cut_off;
                flow.refusal = management_closed_it;
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
        log::debug("an idle connection was dead", {{"visitor", visitor.address}});
    }
    const bool may_wait = service && !service->retired && !state_.stopped && !room_.full();
    if (flow.end == End::not_started && may_wait) {
        visitor.channel = std::move(flow.first);
        visitor.end_attempt(flow.first_to_second == 0 ? AttemptEnd::not_started
                                                      : AttemptEnd::maybe_heard);
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
        tallies_.count(tallies_.foreign_proxy_header, visitor.address, end.text);
    if (flow.end == End::refused) {
        if (const Reason why = reason_of(flow.refusal); !why.empty())
            end = why;
        if (flow.first.is_open() && visitor.only_for() != nullptr) {
            visitor.channel = std::move(flow.first);
            on_refusal(std::move(visitor), end);
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
    note_end(visitor, flow.first_to_second, flow.second_to_first, end,
             was_not_served ? Blame::origin_side : Blame::nobody);
}

void Visitors::note_end(const Visitor& visitor, std::uint64_t up, std::uint64_t down,
                        const Reason& end, Blame blame)
{
    const auto duration = Clock::now() - visitor.arrived;
    log_visitor_end(visitor.address, up, down, duration, end, shown_name(visitor.service_name),
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
               {"code", name_of(end.code)},
               {"reason", end.text}};
    if (const OriginName* const origin = visitor.origin())
        event["origin"] = origin->shown();
    events_.publish("visitor_closed", to_line(event));
}

// For a visitor that was not let in.
void Visitors::note_refusal(const PublicService& service, std::string_view address,
                            const Reason& reason, bool is_limit)
{
    if (events_.is_heard())
        events_.publish("visitor_refused", to_line(Json{{"address", address},
                                                        {"service", *service.name},
                                                        {"code", name_of(reason.code)},
                                                        {"reason", reason.text},
                                                        {"limit", is_limit}}));
}

void Visitors::note_success(PublicService& service, const Visitor& visitor)
{
    if (PublicService::Server* const server = service.server(visitor.announced_on()))
        server->refused.reset();
}

// An origin proxy could not connect the visitor, and took none of its bytes: another may serve it.
void Visitors::on_refusal(Visitor visitor, const Reason& why)
{
    const ServicePointer service = visitor.service.lock();
    if (service) {
        if (PublicService::Server* const server = service->server(visitor.announced_on()))
            server->refused = Clock::now();
    }
    if (may_wait_again(visitor) && service->has_another_for(visitor)) {
        log::debug(
            "refused, so another origin proxy is asked",
            {{"visitor", visitor.address}, {"code", name_of(why.code)}, {"reason", why.text}});
        visitor.end_attempt(AttemptEnd::refused);
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

void Visitors::turn_away(Visitor visitor, const Reason& why, Blame blame)
{
    reset(visitor.channel);
    visitor_left_.notify();
    note_end(visitor, 0, 0, why, blame);
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
    reset_on_close(channel.socket().native_handle());
    // The session of the connection, whoever is logged in later.
    std::optional<FramedStream> framed;
    if (link->session)
        framed.emplace();
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
    if (room_.announced_to(refuse.ticket) != link.number)
        return;
    if (auto visitor = room_.dismiss(refuse.ticket))
        on_refusal(std::move(*visitor), {code_of(refuse), refuse.text});
}

void Visitors::revoke(const OriginLink& link)
{
    room_.revoke_tickets(link.number);
}

// ---- Ends from outside

void Visitors::end_waiting_for_closed(const PublicService& service, std::string_view why)
{
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

void Visitors::end_waiting(const std::function<bool(const Visitor&)>& which)
{
    for (Visitor& visitor : room_.dismiss_if(which))
        turn_away(std::move(visitor), closed());
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
    end_waiting(is_it);
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
