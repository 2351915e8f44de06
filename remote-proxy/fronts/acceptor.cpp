#include "remote-proxy/fronts/acceptor.hpp"

#include <utility>

#include <sys/socket.h>

#include "common/base/counted.hpp"
#include "common/base/error.hpp"
#include "common/base/log.hpp"
#include "common/transport/socket.hpp"
#include "remote-proxy/fronts/proxy_reader.hpp"

namespace tunnel {

namespace {

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

// The local address; a default one if the visitor has left already.
tcp::endpoint arrived_at(const Front& front, int visitor)
{
    const tcp::endpoint there = front.listener.endpoint();
    if (!there.address().is_unspecified())
        return there;
    tcp::endpoint exact;
    auto size = static_cast<socklen_t>(exact.capacity());
    if (::getsockname(visitor, exact.data(), &size) != 0)
        return {};
    exact.resize(size);
    return exact;
}

// Null: it is not known which one is meant.
const PublicService* only_service_of(const Front& front)
{
    const ServicePointer* const only = front.only();
    return only != nullptr ? only->get() : front.owner();
}

} // namespace

void Acceptor::accept(const FrontPointer& front)
{
    uses_.tasks.spawn("accepting visitors", accept_visitors(front));
}

awaitable<void> Acceptor::accept_visitors(FrontPointer front)
{
    Listener& listener = front->listener;
    while (!front->retired) {
        if (!listener.is_open() || uses_.state.holds_back) {
            co_await front->changed.wait();
            continue;
        }
        if (has_room(*front)) {
            front->full_since.reset();
        } else {
            const bool everyone_heard = co_await make_room(*front);
            if (!everyone_heard) {
                co_await yield_to_others();
                continue;
            }
        }
        co_await listener.wait();
        for (int i = 0; i < accept_batch && listener.is_open() && has_room(*front); ++i) {
            std::error_code error;
            auto accepted = listener.accept(error);
            if (accepted) {
                front->full_since.reset();
                welcome(front, std::move(*accepted));
            } else if (error == std::errc::operation_would_block) {
                break;
            } else if (!concerns_one_connection(error)) {
                co_await pause_accepting(uses_.tallies, "the outside address", error);
            }
        }
    }
}

// Those of the HTTP address have places of their own.
bool Acceptor::has_room(const Front& front) const
{
    return front.kind == Front::Kind::http || !uses_.admission.is_full();
}

// Leaves visitors in the kernel's queue until another leaves, but not for ever. Returns whether
// there is room, or the queue is empty.
awaitable<bool> Acceptor::make_room(Front& front)
{
    Admission& admission = uses_.admission;
    if (!front.full_since)
        front.full_since = Clock::now();
    const auto patience = *front.full_since + uses_.options.pairing_timeout;
    while (admission.is_full() && Clock::now() < patience)
        co_await admission.left().wait_until(patience);
    std::error_code error;
    for (int i = 0; i < accept_batch && admission.is_full() && !error && front.listener.is_open();
         ++i) {
        if (auto accepted = front.listener.accept(error))
            admission.turn_away(only_service_of(front), std::move(accepted->socket),
                                accepted->peer);
    }
    if (error == std::errc::operation_would_block) {
        front.full_since.reset(); // later visitors wait for their own time
    } else if (error && !concerns_one_connection(error) && front.listener.is_open()) {
        co_await pause_accepting(uses_.tallies, "the outside address", error);
    }
    co_return !admission.is_full() || error == std::errc::operation_would_block;
}

// Those of the service, where there is one alone; of several, those that hold for all.
const ServiceRules& Acceptor::rules_of(const Front& front) const
{
    const PublicService* const only = only_service_of(front);
    return only != nullptr ? only->options.rules : uses_.options.rules;
}

void Acceptor::welcome(const FrontPointer& front, Listener::Accepted accepted)
{
    const ServiceRules& rules = rules_of(*front);
    if (contains(rules.accept_proxy_from, accepted.peer.address())) {
        uses_.tasks.spawn("a visitor behind a load balancer", identify(front, std::move(accepted)));
        return;
    }
    const tcp::endpoint outside = arrived_at(*front, accepted.socket.get());
    const bool is_guarded = rules.foreign_header == ForeignHeader::reset;
    pass_on(front, std::move(accepted), outside, is_guarded ? no_proxy_header : nullptr, false);
}

// The load balancer first says who the visitor is.
awaitable<void> Acceptor::identify(FrontPointer front, Listener::Accepted accepted)
{
    struct Tells {
        Signal& signal;

        ~Tells() { signal.notify(); }
    };

    const Tells tells{uses_.admission.left()}; // once it is not counted any more
    const Counted counted = uses_.admission.count_unidentified();
    tcp::endpoint outside = arrived_at(*front, accepted.socket.get());
    try {
        const auto addresses = co_await read_proxy_header(
            accepted.socket, Clock::now() + uses_.options.handshake_timeout);
        if (addresses) {
            accepted.peer = addresses->visitor;
            outside = addresses->outside;
        }
    } catch (const std::system_error& error) {
        if (uses_.state.stopped) // it is cancelled
            throw;
        Tallies& tallies = uses_.tallies;
        if (error.code() == asio::error::eof)
            log::debug("health check of a load balancer", {{"peer", to_string(accepted.peer)}});
        else
            tallies.count(tallies.no_proxy_header, to_string(accepted.peer),
                          error.code().message());
        if (error.code() != asio::error::eof)
            uses_.admission.records().note_refusal(
                only_service_of(*front), to_string(accepted.peer),
                {Code::no_proxy_header, "no header of the PROXY protocol"}, false);
        reset(accepted.socket);
        co_return;
    }
    if (front->retired || uses_.state.stopping)
        reset(accepted.socket);
    else
        pass_on(front, std::move(accepted), outside, nullptr, true);
}

void Acceptor::pass_on(const FrontPointer& front, Listener::Accepted accepted,
                       const tcp::endpoint& outside, Guard guard, bool is_proxy)
{
    const ServicePointer* const only = front->only();
    const bool is_http = front->speaks_http();
    if (front->kind != Front::Kind::own || only == nullptr || is_http) {
        NamedVisitors& named = is_http ? uses_.http : uses_.tls;
        return named.take({std::move(accepted.socket), accepted.peer, outside, guard, front,
                           Clock::now(), is_proxy});
    }
    const ServicePointer service = *only;
    auto permit = uses_.admission.permit(*service, accepted.peer);
    if (permit)
        uses_.admission.admit(service, {std::move(accepted.socket), accepted.peer, outside, guard},
                              std::move(*permit));
    else
        reset(accepted.socket);
}

void Acceptor::accept_connected(const FrontPointer& front)
{
    std::error_code error;
    for (int i = 0; i < SOMAXCONN && front->listener.is_open() && !uses_.state.holds_back &&
                    (!error || concerns_one_connection(error)) && !uses_.admission.is_full();
         ++i) {
        error.clear();
        if (auto accepted = front->listener.accept(error))
            welcome(front, std::move(*accepted));
    }
}

} // namespace tunnel
