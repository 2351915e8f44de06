#include "remote-proxy/visitors/admission.hpp"

#include <utility>

#include <sys/socket.h>

#include "common/base/counted.hpp"
#include "common/base/error.hpp"
#include "common/base/log.hpp"
#include "common/transport/socket.hpp"
#include "remote-proxy/visitors/proxy_reader.hpp"

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
tcp::endpoint arrived_at(const PublicService& service, int visitor)
{
    const tcp::endpoint there = service.outside.endpoint();
    if (!there.address().is_unspecified())
        return there;
    tcp::endpoint exact;
    auto size = static_cast<socklen_t>(exact.capacity());
    if (::getsockname(visitor, exact.data(), &size) != 0)
        return {};
    exact.resize(size);
    return exact;
}

} // namespace

Admission::Admission(Uses uses, Hooks hooks)
    : options_(uses.options),
      capacity_(uses.capacity),
      state_(uses.state),
      tallies_(uses.tallies),
      records_(uses.records),
      tasks_(uses.tasks),
      room_(uses.room),
      left_(uses.left),
      hooks_(std::move(hooks))
{
}

void Admission::accept(const ServicePointer& service)
{
    tasks_.spawn("accepting visitors", accept_visitors(service));
}

awaitable<void> Admission::accept_visitors(ServicePointer service)
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
awaitable<bool> Admission::make_room(PublicService& service)
{
    if (!service.full_since)
        service.full_since = Clock::now();
    const auto patience = *service.full_since + options_.pairing_timeout;
    while (is_full() && Clock::now() < patience)
        co_await left_.wait_until(patience);
    std::error_code error;
    for (int i = 0; i < accept_batch && is_full() && !error && service.outside.is_open(); ++i) {
        if (auto accepted = service.outside.accept(error)) {
            const Reason why{Code::no_room, "no descriptors left for more visitors"};
            tallies_.count(tallies_.no_room, to_string(accepted->peer), why.text);
            records_.note_refusal(service, to_string(accepted->peer), why, true);
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

void Admission::welcome(const ServicePointer& service, Listener::Accepted accepted)
{
    if (contains(service->options.rules.accept_proxy_from, accepted.peer.address())) {
        tasks_.spawn("a visitor behind a load balancer", identify(service, std::move(accepted)));
        return;
    }
    tcp::endpoint outside = arrived_at(*service, accepted.socket.get());
    const bool is_guarded = service->options.rules.foreign_header == ForeignHeader::reset;
    admit(service, std::move(accepted), outside, is_guarded ? no_proxy_header : nullptr);
}

// The load balancer first says who the visitor is.
awaitable<void> Admission::identify(ServicePointer service, Listener::Accepted accepted)
{
    struct Tells {
        Signal& signal;

        ~Tells() { signal.notify(); }
    };

    const Tells tells{left_}; // once it is not counted any more
    const Counted counted(unidentified_);
    tcp::endpoint outside = arrived_at(*service, accepted.socket.get());
    try {
        const auto addresses =
            co_await read_proxy_header(accepted.socket, Clock::now() + options_.handshake_timeout);
        if (addresses) {
            accepted.peer = addresses->visitor;
            outside = addresses->outside;
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
            records_.note_refusal(*service, to_string(accepted.peer),
                                  {Code::no_proxy_header, "no header of the PROXY protocol"},
                                  false);
        reset(accepted.socket);
        co_return;
    }
    if (service->retired || state_.stopping)
        reset(accepted.socket);
    else
        admit(service, std::move(accepted), outside, nullptr);
}

void Admission::admit(const ServicePointer& service, Listener::Accepted accepted,
                      const tcp::endpoint& outside, Guard guard)
{
    const auto now = Clock::now();
    auto answer = service->limits.admit(accepted.peer.address(), now);
    if (const auto* const refusal = std::get_if<Refusal>(&answer)) {
        tallies_.count(*refusal, to_string(accepted.peer));
        records_.note_refusal(*service, to_string(accepted.peer), describe(*refusal), true);
        reset(accepted.socket);
        return;
    }
    static const Reason too_many{Code::no_room, "too many visitors wait"};
    if (!find_room(*service, accepted.peer.address(), too_many)) {
        tallies_.count(tallies_.no_room, to_string(accepted.peer), too_many.text);
        records_.note_refusal(*service, to_string(accepted.peer), too_many, true);
        reset(accepted.socket);
        return;
    }
    ++service->counts.visitors;
    Visitor visitor{std::move(accepted.socket), now, accepted.peer};
    log::debug("new visitor", {{"visitor", visitor.address()}, {"waiting", room_.size()}});
    visitor.permit = std::move(std::get<VisitorLimits::Permit>(answer));
    visitor.visited = service->visited;
    visitor.outside = outside;
    visitor.guard = guard;
    visitor.id = ++latest_visitor_;
    records_.note_begin(visitor);
    hooks_.admitted(service, std::move(visitor));
}

void Admission::accept_connected(const ServicePointer& service)
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

} // namespace tunnel
