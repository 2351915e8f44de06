// The visitors of the remote proxy: from the outside address to the relay.
#include "remote-proxy/remote_proxy.hpp"

#include <algorithm>
#include <cerrno>
#include <utility>

#include <fmt/format.h>
#include <sys/socket.h>

#include "common/error.hpp"
#include "common/log.hpp"
#include "common/management/json.hpp"
#include "common/net/socket.hpp"
#include "common/relay/describe.hpp"
#include "common/relay/framing.hpp"
#include "remote-proxy/counted.hpp"
#include "remote-proxy/proxy_reader.hpp"

namespace tunnel {

namespace {

// Appends a frame with the bytes that the visitor has sent already, without taking them. How many;
// nullopt: the visitor has reset, and nobody else will be told by the kernel.
std::optional<std::size_t> append_what_is_there(int visitor, std::string& bytes)
{
    std::array<char, 4096> there;
    const ssize_t size = ::recv(visitor, there.data(), there.size(), MSG_PEEK | MSG_DONTWAIT);
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

awaitable<void> RemoteProxy::accept_visitors(ServicePointer service)
{
    Listener& outside = service->outside;
    while (!service->retired) {
        if (!outside.is_open()) {
            co_await service->opened.wait();
            continue;
        }
        if (visitors() < visitor_capacity()) {
            service->full_since.reset();
        } else {
            const bool everyone_heard = co_await make_room(*service);
            if (!everyone_heard) {
                co_await yield_to_others();
                continue;
            }
        }
        co_await outside.wait();
        for (int i = 0; i < accept_batch && outside.is_open() && visitors() < visitor_capacity();
             ++i) {
            std::error_code error;
            auto accepted = outside.accept(error);
            if (accepted) {
                service->full_since.reset();
                welcome(service, std::move(*accepted));
            } else if (error == std::errc::operation_would_block) {
                break;
            } else if (!concerns_one_connection(error)) {
                co_await pause_accepting("the outside address", error);
            }
        }
    }
}

// Leaves visitors in the kernel's queue until somebody leaves; but nobody waits there for ever.
// Whether there is room, or the queue is empty.
awaitable<bool> RemoteProxy::make_room(PublicService& service)
{
    if (!service.full_since)
        service.full_since = Clock::now();
    const auto patience = *service.full_since + options_.pairing_timeout;
    while (visitors() >= visitor_capacity() && Clock::now() < patience)
        co_await visitor_left_.wait_until(patience);
    std::error_code error;
    for (int i = 0; i < accept_batch && visitors() >= visitor_capacity() && !error &&
                    service.outside.is_open();
         ++i) {
        if (auto accepted = service.outside.accept(error)) {
            constexpr std::string_view why = "no descriptors left for more visitors";
            count(overflow_, to_string(accepted->peer), why);
            note_refusal(service, to_string(accepted->peer), why, true);
            reset(accepted->socket);
        }
    }
    if (error == std::errc::operation_would_block) {
        service.full_since.reset(); // those who come from now on have patience of their own
    } else if (error && !concerns_one_connection(error) && service.outside.is_open()) {
        co_await pause_accepting("the outside address", error);
    }
    co_return visitors() < visitor_capacity() || error == std::errc::operation_would_block;
}

// Most of the room is for those of other services, so that one that nobody serves, or whose origin
// servers hang, does not keep visitors from the others.
bool RemoteProxy::has_room_for(const PublicService& service) const
{
    return !room_.full() &&
           (services_.size() == 1 || room_.waiting(service.number) * 4 <= options_.max_waiting);
}

void RemoteProxy::welcome(const ServicePointer& service, Listener::Accepted accepted)
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
awaitable<void> RemoteProxy::identify(ServicePointer service, Listener::Accepted accepted)
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
        if (stopped_) // it is cancelled
            throw;
        if (error.code() == asio::error::eof)
            log::debug("a load balancer looked whether this is there",
                       {{"peer", to_string(accepted.peer)}});
        else
            count(headless_, to_string(accepted.peer), error.code().message());
        if (error.code() != asio::error::eof)
            note_refusal(*service, to_string(accepted.peer), "no header of the PROXY protocol",
                         false);
        reset(accepted.socket);
        co_return;
    }
    if (service->retired || stopping_)
        reset(accepted.socket);
    else
        admit(service, std::move(accepted), std::move(outside), nullptr);
}

void RemoteProxy::admit(const ServicePointer& service, Listener::Accepted accepted,
                        std::string outside, Guard guard)
{
    const auto now = Clock::now();
    auto answer = service->limits.admit(accepted.peer.address(), now);
    if (const auto* const refusal = std::get_if<Refusal>(&answer)) {
        count(refusals_[static_cast<std::size_t>(*refusal)], to_string(accepted.peer),
              describe(*refusal));
        note_refusal(*service, to_string(accepted.peer), describe(*refusal), true);
        reset(accepted.socket);
        return;
    }
    if (!has_room_for(*service)) {
        count(overflow_, to_string(accepted.peer), "too many visitors wait");
        note_refusal(*service, to_string(accepted.peer), "too many visitors wait", true);
        reset(accepted.socket);
        return;
    }
    log::debug("new visitor", {{"visitor", to_string(accepted.peer)}, {"waiting", room_.size()}});
    ++service->counts.visitors;
    Visitor visitor{std::move(accepted.socket), to_string(accepted.peer), now};
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
void RemoteProxy::enter(PublicService& service, Visitor visitor)
{
    const auto arrived = visitor.arrived;
    visitor.origin_name.reset();
    room_.enter(std::move(visitor));
    tell_visitors(service);
    be_woken_at(arrived + options_.pairing_timeout);
}

// A parked connection costs it half a round trip instead of one and a half. What it has said
// already goes with the announcement.
void RemoteProxy::admit_at_once(PublicService& service, OriginLink& link, Visitor visitor,
                                Framed connection)
{
    visitor.ticket = Ticket{random_bytes()};
    std::string bytes = encode(announcement(*visitor.ticket, visitor, service.options));
    visitor.told_to = link.number;
    visitor.origin_bandwidth = link.bandwidth;
    // The relay looks at the first bytes of one who is guarded, and says under a limit how much may
    // go.
    const bool waits = visitor.guard != nullptr || !limits_of(visitor).first_to_second.empty();
    const auto ahead =
        waits ? std::optional<std::size_t>(0) : append_what_is_there(visitor.socket.get(), bytes);
    if (!ahead) {
        link.parked.put(std::move(connection));
        turn_away(std::move(visitor), "reset by the visitor");
        return;
    }
    visitor.sent_to = link.origin;
    visitor.origin_name = link.name;
    visitor.sent_to_name = link.name;
    visitor.share = Share(link.visitors);
    service.told(link);
    connection.awaits_start = true;
    connection.sent_ahead = *ahead;
    const ssize_t sent = connection.side().send(std::as_bytes(std::span(bytes)));
    connection.unsent = bytes.substr(sent < 0 ? 0 : static_cast<std::size_t>(sent));
    relay(std::move(visitor), std::move(connection), link.session, link.carrier);
}

void RemoteProxy::tell_visitors(PublicService& service)
{
    if (service.servers.empty())
        return;
    const auto now = Clock::now();
    std::vector<std::pair<Ticket, std::string_view>> hopeless;
    room_.hand_out_tickets(service.number, [&](const Ticket& ticket, Visitor& visitor) {
        OriginLink* const link = service.choose(visitor, now);
        if (link != nullptr) {
            visitor.told_to = link->number;
            visitor.origin_name = link->name;
            visitor.origin_bandwidth = link->bandwidth;
            visitor.share = Share(link->visitors);
            service.told(*link);
            link->announce(ticket, visitor, service.options);
            return true;
        }
        if (visitor.sent_to && service.is_replaced(visitor))
            hopeless.emplace_back(ticket, "its first bytes went to an origin proxy that is gone");
        else if (!visitor.sent_to && service.is_served())
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

void RemoteProxy::relay(Visitor visitor, Framed data, std::optional<SessionId> session,
                        const std::shared_ptr<const Carrier>& carrier)
{
    visitor.carrier = carrier;
    PairOptions pair_options{carrier->group, limits_of(visitor), visitor.guard};
    counts_.pairing.observe(Clock::now() - visitor.arrived);
    const auto known = std::make_shared<Relayed>(std::move(visitor));
    pair_options.view = &known->view;
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
    if (session)
        relay_.hand_over(std::move(known->visitor.socket), std::move(data), std::move(done),
                         std::move(pair_options));
    else
        relay_.hand_over(std::move(known->visitor.socket), std::move(data.socket), std::move(done),
                         std::move(pair_options));
}

PairLimits RemoteProxy::limits_of(const Visitor& visitor) const
{
    PairLimits limits;
    Bandwidths& up = limits.first_to_second;
    Bandwidths& down = limits.second_to_first;
    if (const ServicePointer service = visitor.service.lock()) {
        add_limits(service->options.rules.bandwidth.each, up, down);
        service->bandwidth.add_to(up, down);
    }
    if (visitor.origin_bandwidth)
        visitor.origin_bandwidth->add_to(up, down);
    return limits;
}

void RemoteProxy::on_relay_end(Visitor visitor, Flow flow)
{
    OriginLink* const link = link_of(visitor.told_to);
    if (flow.second.socket.is_open() && link != nullptr && link->parking)
        link->parked.put(std::move(flow.second));
    const ServicePointer service = visitor.service.lock();
    if (flow.end == End::not_started) {
        if (link != nullptr)
            link->parked.drop_older(visitor.arrived); // when it was taken: admit()
        log::debug("a parked connection was dead", {{"visitor", visitor.address}});
    }
    const bool may_wait = service && !service->retired && !stopped_ && !room_.full();
    if (flow.end == End::not_started && may_wait) {
        visitor.socket = std::move(flow.first);
        if (flow.first_to_second == 0)
            visitor.sent_to.reset();
        visitor.share = Share();
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
        count(foreign_, visitor.address, how);
    }
    if (flow.end == End::refused) {
        if (const std::string why = reason_of(flow.refusal); !why.empty())
            how = why;
        if (flow.first.is_open() && visitor.sent_to) {
            visitor.socket = std::move(flow.first);
            const OriginId by = *visitor.sent_to;
            on_refusal(std::move(visitor), by, how);
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

void RemoteProxy::note_end(const Visitor& visitor, std::uint64_t up, std::uint64_t down,
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
    if (visitor.origin_name)
        event["origin"] = visitor.origin_name->shown();
    events_.publish("visitor_closed", to_line(event));
}

// Of one that was not let in.
void RemoteProxy::note_refusal(const PublicService& service, std::string_view address,
                               std::string_view reason, bool is_limit)
{
    if (events_.is_heard())
        events_.publish("visitor_refused", to_line(Json{{"address", address},
                                                        {"service", *service.name},
                                                        {"reason", reason},
                                                        {"limit", is_limit}}));
}

void RemoteProxy::note_success(PublicService& service, const Visitor& visitor)
{
    if (PublicService::Server* const server = service.server(visitor.told_to))
        server->refused.reset();
}

// An origin proxy has not connected it to the origin server, and nothing of it was taken: somebody
// else may serve it.
void RemoteProxy::on_refusal(Visitor visitor, const OriginId& by, std::string_view why)
{
    const ServicePointer service = visitor.service.lock();
    if (service) {
        if (PublicService::Server* const server = service->server(visitor.told_to))
            server->refused = Clock::now();
    }
    visitor.refused_by.push_back(by);
    visitor.ticket.reset(); // that one has seen it
    visitor.sent_to.reset();
    visitor.share = Share();
    if (may_wait_again(visitor) && !service->nobody_left(visitor)) {
        log::debug("refused, so another origin proxy is asked",
                   {{"visitor", visitor.address}, {"reason", why}});
        enter(*service, std::move(visitor));
        return;
    }
    ++counts_.refused;
    turn_away(std::move(visitor), why, Blame::origin_side);
}

// Its data connection broke before the start: nothing of it was sent there, and nobody has begun to
// serve it, unless it said something on a parked connection before.
void RemoteProxy::on_broken(Visitor visitor, const OriginId& by, std::string_view why)
{
    if (visitor.sent_to) {
        ++counts_.broken;
        turn_away(std::move(visitor), why, Blame::origin_side);
    } else if (std::exchange(visitor.broken_off, true) || !may_wait_again(visitor)) {
        on_refusal(std::move(visitor), by, why);
    } else { // the origin proxy itself may be on its way out, and what shows it comes next
        const ServicePointer service = visitor.service.lock();
        if (PublicService::Server* const server = service->server(visitor.told_to))
            server->refused = Clock::now();
        visitor.ticket.reset();
        visitor.share = Share();
        enter(*service, std::move(visitor));
    }
}

bool RemoteProxy::may_wait_again(const Visitor& visitor) const
{
    const ServicePointer service = visitor.service.lock();
    return service && !service->retired && !stopped_ && !room_.full() &&
           Clock::now() < visitor.arrived + options_.pairing_timeout;
}

OriginLink* RemoteProxy::link_of(std::uint64_t number) const
{
    const auto found = std::ranges::find(links_, number, &OriginLink::number);
    return found == links_.end() ? nullptr : *found;
}

void RemoteProxy::turn_away(Visitor visitor, std::string_view why, Blame blame)
{
    reset(visitor.socket);
    visitor_left_.notify();
    note_end(visitor, 0, 0, why, blame);
}

} // namespace tunnel
