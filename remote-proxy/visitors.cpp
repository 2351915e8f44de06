// The visitors of the remote proxy: from the outside address to the relay.
#include "remote-proxy/remote_proxy.hpp"

#include <cerrno>
#include <utility>

#include <fmt/format.h>
#include <sys/socket.h>

#include "common/error.hpp"
#include "common/log.hpp"
#include "common/net/socket.hpp"
#include "common/relay/describe.hpp"
#include "common/relay/framing.hpp"

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

// The words of a refusal that the relay met; empty if it had none.
std::string reason_of(std::string_view body)
{
    const std::span bytes(reinterpret_cast<const std::uint8_t*>(body.data()), body.size());
    const auto frame = decode(static_cast<std::uint8_t>(FrameKind::refuse), bytes);
    const auto* const refuse = frame ? std::get_if<Refuse>(&*frame) : nullptr;
    return refuse != nullptr ? refuse->text : std::string();
}

} // namespace

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
                co_await pause_accepting("the outside address", error);
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
        co_await pause_accepting("the outside address", error);
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
    const ssize_t sent = connection.side().send(std::as_bytes(std::span(bytes)));
    connection.unsent = bytes.substr(sent < 0 ? 0 : static_cast<std::size_t>(sent));
    relay(std::move(visitor), std::move(connection), link_->session,
          group_of(link_->identity.name));
}

void RemoteProxy::relay(Visitor visitor, Framed data, std::optional<SessionId> session,
                        std::uint64_t group)
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
        relay_.hand_over(std::move(known->socket), std::move(data), std::move(done), group);
    else
        relay_.hand_over(std::move(known->socket), std::move(data.socket), std::move(done));
}

void RemoteProxy::on_relay_end(Visitor visitor, Flow flow, std::optional<SessionId> session)
{
    if (flow.second.socket.is_open() && link_ != nullptr && link_->session == session &&
        link_->parking)
        parked_.put(std::move(flow.second));
    if (flow.end == End::not_started)
        parked_.drop_older(visitor.arrived); // when it was taken: admit()
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
        how = not_in_time();
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

} // namespace tunnel
