#include "remote-proxy/remote_proxy.hpp"

#include <algorithm>
#include <cerrno>
#include <utility>

#include <fmt/format.h>
#include <sys/socket.h>

#include "common/descriptors.hpp"
#include "common/error.hpp"
#include "common/log.hpp"
#include "common/net/socket.hpp"
#include "common/relay/describe.hpp"
#include "common/relay/framing.hpp"

namespace tunnel {

namespace {

constexpr int accept_batch = 64;

// How long to leave a port alone that cannot accept: for want of descriptors or memory, most
// likely.
constexpr auto accept_pause = std::chrono::milliseconds(100);

// A first frame takes one read, or two if it is long, and each that must wait is a turn; then some.
constexpr int turns_to_be_heard = 8;

// Origin proxies that are being told why they are rejected.
constexpr std::size_t most_rejected = 4;

// Connections that have not said who they are. A good one says so within a round trip.
constexpr std::size_t most_handshakes = 1024;

// A quarter of what is left for connections that may be data connections, but have not said so yet.
std::size_t handshake_capacity(std::size_t usable)
{
    return std::clamp<std::size_t>(usable / 4, 4, most_handshakes);
}

// A visitor takes two descriptors, its own and its data connection's. More of them than can be
// served would leave none for the data connections, and then nobody would be served.
std::size_t visitor_capacity(std::size_t usable, std::size_t parked)
{
    const std::size_t taken = handshake_capacity(usable) + parked;
    return std::max<std::size_t>(1, (usable - std::min(usable, taken)) / 2);
}

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

std::size_t usable_descriptors(const RemoteOptions& options)
{
    return tunnel::usable_descriptors(options.descriptor_limit,
                                      relay_options(options.common, options.descriptor_limit));
}

RelayOptions its_relay(const RemoteOptions& options)
{
    RelayOptions relay = relay_options(options.common, options.descriptor_limit);
    relay.start_timeout = options.pairing_timeout;
    return relay;
}

std::string not_in_time(const RemoteOptions& options)
{
    return fmt::format("not connected to the origin server within {}",
                       to_string(options.pairing_timeout));
}

// The words of a refusal that the relay met; empty if it had none.
std::string reason_of(std::string_view body)
{
    const std::span bytes(reinterpret_cast<const std::uint8_t*>(body.data()), body.size());
    const auto frame = decode(static_cast<std::uint8_t>(FrameKind::refuse), bytes);
    const auto* const refuse = frame ? std::get_if<Refuse>(&*frame) : nullptr;
    return refuse != nullptr ? refuse->text : std::string();
}

} // namespace

RemoteProxy::Ports::Ports(asio::io_context& io, const RemoteOptions& options)
    : control(io, endpoint_to_listen(io, options.control_address), options.common.congestion,
              Hop::between),
      outside(io, endpoint_to_listen(io, options.outside_address), options.common.congestion,
              Hop::edge)
{
}

RemoteProxy::RemoteProxy(asio::io_context& io, const RemoteOptions& options)
    : RemoteProxy(io, options, Ports(io, options))
{
}

RemoteProxy::RemoteProxy(asio::io_context& io, const RemoteOptions& options, Ports ports)
    : io_(io),
      options_(options),
      visitor_capacity_(visitor_capacity(usable_descriptors(options),
                                         parking_capacity(options.descriptor_limit))),
      control_(std::move(ports.control)),
      outside_(std::move(ports.outside)),
      limits_(options.visitor_rules),
      room_(options.max_waiting),
      handshakes_(handshake_capacity(usable_descriptors(options))),
      parked_(parking_capacity(options.descriptor_limit)),
      outside_opened_(io.get_executor()),
      visitor_left_(io.get_executor()),
      holder_spoke_(io.get_executor()),
      clock_(io.get_executor()),
      relay_(its_relay(options)),
      loop_(io, relay_, options.common.spin),
      tasks_(io.get_executor())
{
}

void RemoteProxy::start()
{
    control_.open();
    tasks_.spawn("accepting connections of the origin proxy", accept_connections());
    tasks_.spawn("accepting visitors", accept_visitors());
    tasks_.spawn("keeping time", keep_time());
}

void RemoteProxy::stop_gently()
{
    stopping_ = true;
    outside_.shut();
    log::info("stopping", {{"visitors", visitors()}, {"grace", options_.common.grace_period}});
    tasks_.spawn("stopping", drain());
}

awaitable<void> RemoteProxy::drain()
{
    const auto deadline = Clock::now() + options_.common.grace_period;
    while (visitors() > 0 && Clock::now() < deadline)
        co_await visitor_left_.wait_until(deadline);
    if (link_ != nullptr) {
        link_->connection.finish("the remote proxy is shutting down");
        const auto patience = Clock::now() + std::chrono::seconds(1);
        while (link_ != nullptr && Clock::now() < patience)
            co_await visitor_left_.wait_until(patience);
    }
    stop_now();
}

void RemoteProxy::stop_now()
{
    if (std::exchange(stopped_, true))
        return;
    stopping_ = true;
    outside_.shut();
    control_.shut();
    for (Tally* const tally : tallies())
        tally->flush(std::nullopt);
    relay_.stop();
    parked_.clear();
    while (auto visitor = room_.expire(Clock::time_point::max()))
        turn_away(std::move(*visitor), "cut by the shutdown");
    tasks_.cancel();
}

// ---- Visitors

awaitable<void> RemoteProxy::accept_visitors()
{
    for (;;) {
        while (!outside_.is_open())
            co_await outside_opened_.wait();
        if (visitors() < visitor_capacity_) {
            full_since_.reset();
        } else {
            const bool everyone_heard = co_await make_room();
            if (!everyone_heard) {
                co_await yield_to_others();
                continue;
            }
        }
        co_await outside_.wait();
        for (int i = 0; i < accept_batch && outside_.is_open() && visitors() < visitor_capacity_;
             ++i) {
            std::error_code error;
            auto accepted = outside_.accept(error);
            if (accepted) {
                full_since_.reset();
                admit(std::move(*accepted));
            } else if (error == std::errc::operation_would_block) {
                break;
            } else if (!concerns_one_connection(error)) {
                count(accept_failures_, "the outside address", error.message());
                co_await sleep_for(accept_pause);
            }
        }
    }
}

// Leaves visitors in the kernel's queue until somebody leaves; but nobody waits there for ever.
// Whether there is room, or the queue is empty.
awaitable<bool> RemoteProxy::make_room()
{
    if (!full_since_)
        full_since_ = Clock::now();
    const auto patience = *full_since_ + options_.pairing_timeout;
    while (visitors() >= visitor_capacity_ && Clock::now() < patience)
        co_await visitor_left_.wait_until(patience);
    std::error_code error;
    for (int i = 0; i < accept_batch && visitors() >= visitor_capacity_ && !error; ++i) {
        if (auto accepted = outside_.accept(error)) {
            count(overflow_, to_string(accepted->peer), "no descriptors left for more visitors");
            reset(accepted->socket);
        }
    }
    if (error == std::errc::operation_would_block) {
        full_since_.reset(); // those who come from now on have patience of their own
    } else if (error && !concerns_one_connection(error) && outside_.is_open()) {
        count(accept_failures_, "the outside address", error.message());
        co_await sleep_for(accept_pause);
    }
    co_return visitors() < visitor_capacity_ || error == std::errc::operation_would_block;
}

void RemoteProxy::admit(Listener::Accepted accepted)
{
    const auto now = Clock::now();
    auto answer = limits_.admit(accepted.peer.address(), now);
    if (const auto* const refusal = std::get_if<Refusal>(&answer)) {
        count(refusals_[static_cast<std::size_t>(*refusal)], to_string(accepted.peer),
              describe(*refusal));
        reset(accepted.socket);
        return;
    }
    if (room_.full()) {
        count(overflow_, to_string(accepted.peer), "too many visitors wait");
        reset(accepted.socket);
        return;
    }
    log::debug("new visitor", {{"visitor", to_string(accepted.peer)}, {"waiting", room_.size()}});
    Visitor visitor{std::move(accepted.socket), to_string(accepted.peer), now};
    visitor.place = std::move(std::get<VisitorLimits::Place>(answer));
    if (auto connection = link_ != nullptr ? parked_.take() : std::nullopt) {
        admit_at_once(std::move(visitor), std::move(*connection));
        return;
    }
    room_.enter(std::move(visitor));
    tell_visitors();
    be_woken_at(now + options_.pairing_timeout);
}

// A parked connection costs it half a round trip instead of one and a half. What it has said
// already goes with the announcement.
void RemoteProxy::admit_at_once(Visitor visitor, Framed connection)
{
    visitor.ticket = Ticket{random_bytes()};
    const Announce announce{*visitor.ticket, visitor.address, std::string(default_service)};
    std::string bytes = encode(announce);
    const auto ahead = append_what_is_there(visitor.socket.get(), bytes);
    if (!ahead) {
        parked_.put(std::move(connection));
        turn_away(std::move(visitor), "reset by the visitor");
        return;
    }
    visitor.sent_to = link_->origin;
    connection.awaits_start = true;
    connection.sent_ahead = *ahead;
    const ssize_t sent =
        ::send(connection.socket.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    connection.unsent = bytes.substr(sent < 0 ? 0 : static_cast<std::size_t>(sent));
    relay(std::move(visitor), std::move(connection), link_->session);
}

void RemoteProxy::relay(Visitor visitor, Framed data, std::optional<SessionId> session)
{
    ++relayed_;
    const auto known = std::make_shared<Visitor>(std::move(visitor));
    auto done = [this, known, session](Flow& flow) {
        asio::post(io_, [this, known, session, flow = std::move(flow)]() mutable {
            --relayed_;
            on_relay_end(std::move(*known), std::move(flow), session);
        });
    };
    if (session)
        relay_.hand_over(std::move(known->socket), std::move(data), std::move(done));
    else
        relay_.hand_over(std::move(known->socket), std::move(data.socket), std::move(done));
}

void RemoteProxy::on_relay_end(Visitor visitor, Flow flow, std::optional<SessionId> session)
{
    if (flow.second.socket.is_open() && link_ != nullptr && link_->session == session)
        parked_.put(std::move(flow.second));
    if (flow.end == End::not_started && !stopped_ && !room_.full()) {
        log::debug("a parked connection was dead", {{"visitor", visitor.address}});
        visitor.socket = std::move(flow.first);
        if (flow.first_to_second == 0)
            visitor.sent_to.reset();
        be_woken_at(visitor.arrived + options_.pairing_timeout);
        room_.enter(std::move(visitor));
        tell_visitors();
        return;
    }
    visitor_left_.notify();
    std::string how = describe(flow.end, "visitor", "origin side");
    if (flow.end == End::start_timeout)
        how = not_in_time(options_);
    if (flow.end == End::refused) {
        if (const std::string why = reason_of(flow.refusal); !why.empty())
            how = why;
    }
    log_visitor_end(visitor.address, flow.first_to_second, flow.second_to_first,
                    Clock::now() - visitor.arrived, how);
}

void RemoteProxy::turn_away(Visitor visitor, std::string_view why)
{
    reset(visitor.socket);
    visitor_left_.notify();
    log_visitor_end(visitor.address, 0, 0, Clock::now() - visitor.arrived, why);
}

// ---- The control port

awaitable<void> RemoteProxy::accept_connections()
{
    for (;;) {
        co_await control_.wait();
        for (int i = 0; i < accept_batch; ++i) {
            std::error_code error;
            // Those that are full of what they have to say make room by being heard.
            for (int turn = 0; turn < turns_to_be_heard && handshakes_.full(); ++turn)
                co_await yield_to_others();
            auto accepted = control_.accept(error);
            if (accepted) {
                tcp::socket socket(io_);
                socket.assign(accepted->peer.protocol(), accepted->socket.get(), error);
                if (error) {
                    count(accept_failures_, "the control address", error.message());
                    continue;
                }
                accepted->socket.release();
                tasks_.spawn("a connection to the control address", greet(std::move(socket)));
            } else if (error == std::errc::operation_would_block) {
                break;
            } else if (!concerns_one_connection(error)) {
                count(accept_failures_, "the control address", error.message());
                co_await sleep_for(accept_pause);
            }
        }
    }
}

// One connection's whole life; what it is, its first frame tells.
awaitable<void> RemoteProxy::greet(tcp::socket socket)
{
    const std::string peer = peer_of(socket);
    auto frame = co_await first_frame(socket, peer);
    if (!frame)
        co_return;
    if (auto* const log_in_frame = std::get_if<LogIn>(&*frame))
        co_await log_in(std::move(socket), std::move(*log_in_frame));
    else if (const auto* const dial_back = std::get_if<DialBack>(&*frame))
        co_await pair(std::move(socket), dial_back->ticket);
    else if (const auto* const parked = std::get_if<Park>(&*frame))
        park(std::move(socket), peer, parked->session);
    else
        count(strangers_, peer, make_error_code(Errc::unexpected_frame).message());
}

awaitable<std::optional<Frame>> RemoteProxy::first_frame(tcp::socket& socket,
                                                         const std::string& peer)
{
    const auto now = Clock::now();
    const Handshakes::Place place = handshakes_.enter(socket, now);
    be_woken_at(now + options_.handshake_timeout);
    std::error_code failure;
    try {
        auto frame = co_await read_first_frame(socket);
        co_return std::move(frame);
    } catch (const std::system_error& error) {
        failure = error.code();
    }
    if (!place.end().empty())
        count(strangers_, peer, place.end());
    else if (failure == asio::error::operation_aborted)
        throw std::system_error(failure);
    else if (failure == asio::error::eof) // a health check, or a dial-back that was not needed
        log::debug("a connection ended before it said who it is", {{"peer", peer}});
    else
        count(strangers_, peer, failure.message());
    co_return std::nullopt;
}

awaitable<void> RemoteProxy::pair(tcp::socket data, Ticket ticket)
{
    bool gone = false;
    auto on_gone = [&data, &gone] {
        gone = true;
        std::error_code ignored;
        data.close(ignored);
    };
    auto claim = room_.claim(ticket, on_gone);
    if (!claim) {
        count(strangers_, peer_of(data), make_error_code(Errc::unknown_ticket).message());
        co_return;
    }
    reset_on_close(data.native_handle());
    const std::optional<SessionId> session = link_ != nullptr ? link_->session : std::nullopt;
    constexpr std::string_view broken = "lost its data connection: {}";
    std::string failure;
    try {
        const Frame frame = co_await read_frame(data);
        if (const auto* const refuse = std::get_if<Refuse>(&frame))
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
    if (failure.empty())
        relay(std::move(*visitor), Framed{release(std::move(data))}, session);
    else
        turn_away(std::move(*visitor), failure);
}

void RemoteProxy::park(tcp::socket data, const std::string& peer, const SessionId& session)
{
    if (link_ == nullptr || link_->session != session) {
        count(strangers_, peer, make_error_code(Errc::unknown_ticket).message());
        return;
    }
    reset_on_close(data.native_handle());
    parked_.put(Framed{release(std::move(data))});
}

awaitable<void> RemoteProxy::log_in(tcp::socket socket, LogIn log_in)
{
    auto rejection = objection(log_in);
    if (!rejection && stopping_ && (link_ == nullptr || link_->origin != log_in.origin))
        rejection = Reject{RejectReason::shutting_down, "the remote proxy is shutting down"};
    if (!rejection) {
        const bool free = co_await free_the_service(socket, log_in);
        if (!free)
            rejection = Reject{
                RejectReason::in_use,
                fmt::format("service \"{}\" is in use by another origin proxy", log_in.service)};
    }
    if (rejection) {
        count(rejections_, peer_of(socket), rejection->text);
        co_await reject(socket, *rejection);
        co_return;
    }
    co_await serve_origin(std::move(socket), std::move(log_in));
}

// Heartbeats of its may be unread, so that closing at once would be a reset.
awaitable<void> RemoteProxy::reject(tcp::socket& socket, const Reject& rejection)
{
    if (rejected_ >= most_rejected) {
        send_at_once(socket.native_handle(), encode(rejection));
        co_return;
    }

    struct Place {
        std::size_t& count;

        explicit Place(std::size_t& rejected) : count(rejected) { ++count; }

        ~Place() { --count; }
    };

    const Place place(rejected_);
    co_await send_last(socket, encode(rejection));
}

// The same origin proxy takes its own place over; another one gets the place only of a holder that
// does not answer. True: the place is free.
awaitable<bool> RemoteProxy::free_the_service(tcp::socket& socket, const LogIn& log_in)
{
    bool told = false;
    while (link_ != nullptr && link_->origin != log_in.origin) {
        if (probing_)
            co_return false; // one newcomer at a time; its holder is being asked already
        if (!std::exchange(told, true)) {
            const Notice notice{fmt::format("service \"{}\" is in use by another origin proxy; "
                                            "asking it whether it is still there",
                                            log_in.service)};
            co_await send(socket, encode(notice));
            continue; // the holder may have gone meanwhile
        }
        const bool answers = co_await holder_answers();
        if (answers)
            co_return false;
    }
    if (link_ != nullptr) {
        log::info("the origin proxy has returned", {{"origin", link_->address}});
        link_->connection.end(make_error_code(std::errc::operation_canceled),
                              "taken over by the same origin proxy");
        lose_link();
    }
    co_return true;
}

// Asks the origin proxy that is logged in whether it is still there, and lets it go if it is not.
awaitable<bool> RemoteProxy::holder_answers()
{
    struct Probing {
        bool& flag;

        explicit Probing(bool& probing) : flag(probing) { flag = true; }

        ~Probing() { flag = false; }
    };

    const Probing probing(probing_);
    const OriginId holder = link_->origin;
    const std::uint64_t received = link_->connection.received();
    const auto still_silent = [&] {
        return link_ != nullptr && link_->origin == holder &&
               link_->connection.received() == received;
    };
    link_->connection.post(Probe());
    const auto patience = Clock::now() + options_.probe_timeout;
    while (still_silent() && Clock::now() < patience)
        co_await holder_spoke_.wait_until(patience);
    if (!still_silent())
        co_return link_ != nullptr;
    link_->connection.end(make_error_code(Errc::heartbeat_timeout),
                          "another origin proxy asks for its place");
    lose_link();
    co_return false;
}

awaitable<void> RemoteProxy::serve_origin(tcp::socket socket, LogIn log_in)
{
    OriginLink link(std::move(socket),
                    {options_.common.heartbeat_interval, options_.common.heartbeat_timeout},
                    log_in.origin);
    if (!stopping_)
        outside_.open();
    link_ = &link;
    outage_ends_.reset();
    outside_opened_.notify();
    link.connection.set_peer_timeout(log_in.heartbeat_timeout);
    Welcome welcome;
    welcome.version = common_version(log_in.lowest_version, log_in.highest_version).value();
    welcome.program_version = TUNNEL_VERSION;
    welcome.outside_address = to_string(outside_.endpoint());
    welcome.heartbeat_timeout = options_.common.heartbeat_timeout;
    if (std::ranges::find(log_in.features, parking) != log_in.features.end())
        link.session = SessionId{random_bytes()};
    welcome.session = link.session;
    link.connection.post(welcome);
    log::info("origin proxy logged in",
              {{"origin", link.address}, {"version", log_in.program_version}});
    tell_visitors();

    const std::function<void(Frame&)> on_each = [this, &link](Frame& frame) {
        on_frame(link, frame);
    };
    std::string reason;
    try {
        co_await link.connection.run(on_each);
    } catch (const std::system_error& error) {
        reason = error.what();
    }
    if (link_ == &link)
        lose_link();
    if (!link.goodbye.empty())
        log::info("origin proxy left", {{"origin", link.address}, {"reason", link.goodbye}});
    else
        log::warn("lost the origin proxy", {{"origin", link.address}, {"reason", reason}});
}

void RemoteProxy::on_frame(OriginLink& link, Frame& frame)
{
    holder_spoke_.notify();
    if (const auto* const refuse = std::get_if<Refuse>(&frame)) {
        if (auto visitor = room_.dismiss(refuse->ticket))
            turn_away(std::move(*visitor), refuse->text);
    } else if (std::holds_alternative<Heartbeat>(frame)) {
        parked_.sweep();
    } else if (const auto* const notice = std::get_if<Notice>(&frame)) {
        log::warn("the origin proxy says", {{"origin", link.address}, {"notice", notice->text}});
    } else if (const auto* const goodbye = std::get_if<Goodbye>(&frame)) {
        link.goodbye = goodbye->text.empty() ? "goodbye" : goodbye->text;
    }
}

void RemoteProxy::tell_visitors()
{
    if (link_ == nullptr)
        return;
    std::vector<Ticket> not_for_this_one;
    room_.hand_out_tickets([&](const Ticket& ticket, const Visitor& visitor) {
        if (visitor.sent_to && *visitor.sent_to != link_->origin)
            not_for_this_one.push_back(ticket);
        else
            link_->announce(ticket, visitor);
    });
    for (const Ticket& ticket : not_for_this_one) {
        if (auto visitor = room_.dismiss(ticket))
            turn_away(std::move(*visitor), "its first bytes went to an origin proxy that is gone");
    }
}

// The visitors who wait keep their places for the origin proxy that comes next.
void RemoteProxy::lose_link()
{
    link_ = nullptr;
    parked_.clear();
    room_.revoke_tickets();
    outage_ends_ = Clock::now() + options_.pairing_timeout;
    be_woken_at(*outage_ends_);
    holder_spoke_.notify();
    visitor_left_.notify(); // drain() waits for the link's end too
}

// ---- Time

std::optional<Clock::time_point> RemoteProxy::next_deadline()
{
    std::optional<Clock::time_point> next = outage_ends_;
    const auto consider = [&next](std::optional<Clock::time_point> since, milliseconds limit) {
        if (since && (!next || *since + limit < *next))
            next = *since + limit;
    };
    consider(room_.oldest_arrival(), options_.pairing_timeout);
    consider(handshakes_.oldest(), options_.handshake_timeout);
    for (const Tally* const tally : tallies())
        consider(tally->due(), milliseconds(0));
    return next;
}

// One timer for all limits: those of one kind are equal, so the oldest is always the next.
awaitable<void> RemoteProxy::keep_time()
{
    for (;;) {
        const auto now = Clock::now();
        handshakes_.expire(now - options_.handshake_timeout);
        while (auto visitor = room_.expire(now - options_.pairing_timeout)) {
            turn_away(std::move(*visitor), not_in_time(options_));
        }
        if (outage_ends_ && now >= *outage_ends_) {
            outage_ends_.reset();
            if (outside_.is_open())
                log::warn("no origin proxy came back: refusing visitors",
                          {{"outside", to_string(outside_.endpoint())}});
            outside_.shut();
        }
        for (Tally* const tally : tallies())
            tally->flush(now);
        wakes_at_ = next_deadline().value_or(Clock::time_point::max());
        co_await clock_.wait_until(wakes_at_);
    }
}

std::array<Tally*, 4 + refusal_kinds> RemoteProxy::tallies()
{
    std::array<Tally*, 4 + refusal_kinds> all{&strangers_, &rejections_, &overflow_,
                                              &accept_failures_};
    std::ranges::transform(refusals_, all.begin() + 4, [](Tally& tally) { return &tally; });
    return all;
}

void RemoteProxy::count(Tally& tally, std::string_view peer, std::string_view reason)
{
    tally.count(peer, reason, Clock::now());
    if (const auto due = tally.due())
        be_woken_at(*due);
}

void RemoteProxy::be_woken_at(Clock::time_point time)
{
    if (time < wakes_at_)
        clock_.notify();
}

} // namespace tunnel
