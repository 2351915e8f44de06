// The origin proxy's visitors, from their announcements to their ends.
#include "origin-proxy/link/remote_link.hpp"

#include <utility>

#include <fmt/format.h>

#include "common/base/log.hpp"
#include "common/relay/describe.hpp"
#include "common/security/proof.hpp"
#include "common/transport/dial.hpp"
#include "common/transport/socket.hpp"
#include "origin-proxy/servers/visitor_header.hpp"

namespace tunnel {

namespace {

// Announcements that wait for descriptors; a remote proxy with a larger room is refused the rest.
constexpr std::size_t most_announced = 16'384;

// Begun in one turn.
constexpr int visits_in_a_turn = 16;

// Tickets of visitors who came lately. One that broke is announced again within seconds.
constexpr std::size_t most_remembered = 16'384;

constexpr std::string_view no_such_service = "the origin proxy has no such service";

// As the log has it: where there is but one, nobody needs its name.
std::string_view logged_name(std::string_view service)
{
    return service == default_service ? std::string_view() : service;
}

std::string failure_of(const Service& service, std::error_code error)
{
    return fmt::format("origin server {}: {}", to_string(service.options.origin_server_address),
                       error.message());
}

} // namespace

void RemoteLink::Tickets::insert(const Ticket& ticket)
{
    if (!tickets_.insert(ticket).second)
        return;
    by_age_.push_back(ticket);
    if (by_age_.size() > most_remembered) {
        tickets_.erase(by_age_.front());
        by_age_.pop_front();
    }
}

void RemoteLink::Tickets::clear()
{
    tickets_.clear();
    by_age_.clear();
}

struct RemoteLink::Visit {
    Announce announce;
    std::shared_ptr<Service> service; // null: there is none of that name
    Clock::time_point began = Clock::now();
    Channel origin_server;  // prepared, once connected
    Channel data;           // as well
    bool presented = false; // the ticket is on its way, so all else goes there too
    bool started = false;   // the start frame has been sent
    std::string failure;    // the first; empty while there is none
    Session session;
};

void RemoteLink::on_announce(Announce& announce)
{
    log::debug("new client", {{"visitor", announce.visitor}});
    if (stopping_) // its visitor waits for the next origin proxy
        return;
    std::string_view objection;
    if (!services_.find(announce.service))
        objection = no_such_service;
    else if (announced_.size() >= most_announced)
        objection = "the origin proxy has too many visitors";
    else if (taken_.contains(announce.ticket) || told_.contains(announce.ticket))
        objection = "its data connection broke";
    if (!objection.empty()) {
        refuse(announce.ticket, objection);
        return;
    }
    told_.insert(announce.ticket);
    announced_.push_back(std::move(announce));
    start_visits();
    parking_.missed();
}

void RemoteLink::on_parked_announce(Announce&& announce, Channel&& connection)
{
    log::debug("new client", {{"visitor", announce.visitor}, {"parked", parking_.size()}});
    if (stopping_ || !places_.is_free()) // it is announced again when this one closes
        return;
    places_.take();
    ++shared_.counts.visitors;
    auto service = services_.find(announce.service);
    Visit visit{
        std::move(announce), std::move(service), Clock::now(), {}, {}, true, true, {}, session_};
    auto dial = visit.service ? visit.service->origin_server.begin() : std::nullopt;
    if (auto connected = dial ? dial->take_connected() : std::nullopt) {
        // All that is known at once needs no coroutine.
        visit.failure = take_origin_server(visit, std::move(connected->socket));
        if (visit.failure.empty()) {
            relay_parked(visit, std::move(connection));
            return;
        }
    }
    tasks_.spawn("serving a visitor",
                 serve_parked(std::move(visit), std::move(dial), std::move(connection)));
}

void RemoteLink::start_visits()
{
    if (std::exchange(starting_, true))
        return;      // one of them has ended at once, and the loop goes on below it
    int started = 0; // in this turn: thousands may fail as soon as they are started
    while (!stopping_ && link_ != nullptr && !announced_.empty() && places_.is_free()) {
        if (++started > visits_in_a_turn) {
            tasks_.spawn("starting visits", start_more_visits());
            return;
        }
        Announce next = std::move(announced_.front());
        announced_.pop_front(); // before it is served: it may end, and call this, at once
        auto service = services_.find(next.service);
        if (!service) { // withdrawn while it waited
            refuse(next.ticket, no_such_service);
            continue;
        }
        places_.take();
        ++shared_.counts.visitors;
        tasks_.spawn("serving a visitor", serve(std::move(next), std::move(service), session_));
    }
    starting_ = false;
}

// After others have had their turn.
awaitable<void> RemoteLink::start_more_visits()
{
    co_await yield_to_others();
    starting_ = false;
    start_visits();
}

void RemoteLink::refuse(const Ticket& ticket, std::string_view why)
{
    const Refuse refuse{ticket, std::string(why)};
    link_->post(refuse);
}

awaitable<void> RemoteLink::serve(Announce announce, std::shared_ptr<Service> service,
                                  Session session)
{
    using namespace asio::experimental::awaitable_operators;
    Visit visit{std::move(announce), std::move(service), Clock::now(), {}, {}, false, false, {},
                std::move(session)};
    // Side by side: the slower one decides how long the visitor waits.
    auto to_server = visit.service->origin_server.begin();
    Dial back = dialler_.begin(visit.session);
    // Neither throws. What is decided already needs no waiting, and waiting for two has its price.
    const bool at_once = to_server && to_server->decided() && back.decided();
    if (at_once) {
        co_await connect_origin_server(visit, std::move(to_server));
        co_await dial_back(visit, std::move(back));
    } else {
        co_await (connect_origin_server(visit, std::move(to_server)) &&
                  dial_back(visit, std::move(back)));
    }
    if (visit.data.is_open() && !visit.started)
        conclude(visit);
    if (visit.failure.empty()) {
        relay(visit, std::move(visit.data));
    } else {
        reset(visit.origin_server);
        log_visitor_end(visit.announce.visitor, 0, 0, Clock::now() - visit.began, visit.failure,
                        logged_name(visit.announce.service), Blame::origin_side);
        visitor_ended();
    }
}

// Says on the data connection what became of the origin server. A refusal that came on the control
// connection could be overtaken by the data connection's end, and the reason would be lost.
void RemoteLink::conclude(Visit& visit)
{
    Frame frame = Start();
    if (!visit.failure.empty())
        frame = Refuse{visit.announce.ticket, visit.failure};
    const std::error_code error = visit.data.send_at_once(encode(frame));
    if (error && visit.failure.empty())
        visit.failure = fmt::format("lost its data connection: {}", error.message());
    else if (!visit.failure.empty())
        allow_clean_close(visit.data.descriptor());
}

awaitable<void> RemoteLink::connect_origin_server(Visit& visit, std::optional<Dial> begun)
{
    const ControlConnection* const link = link_;
    std::string why;
    try {
        auto socket = co_await visit.service->origin_server.dial(std::move(begun));
        why = take_origin_server(visit, std::move(socket));
    } catch (const std::system_error& error) {
        why = failure_of(*visit.service, error.code());
    }
    if (why.empty())
        co_return;
    ++shared_.counts.failed_dials;
    if (visit.failure.empty())
        visit.failure = why;
    if (!visit.presented && link_ == link && link_ != nullptr)
        refuse(visit.announce.ticket, why);
}

// Every connection to an origin server passes here, once. Answers what failed; empty: nothing.
std::string RemoteLink::take_origin_server(Visit& visit, Fd socket)
{
    prepare_stream(socket.get());
    shared_.counts.dials.observe(Clock::now() - visit.began);
    const std::string header =
        visitor_header(visit.service->options.rules.proxy_protocol, visit.announce);
    Channel server(std::move(socket));
    if (!header.empty()) {
        if (const std::error_code error = server.send_at_once(header))
            return failure_of(*visit.service, error);
    }
    visit.origin_server = std::move(server);
    return {};
}

awaitable<void> RemoteLink::dial_back(Visit& visit, Dial begun)
{
    const ControlConnection* const link = link_;
    try {
        Channel data =
            co_await dialler_.finish(std::move(begun), visit.session, visit.announce.ticket.bytes);
        if (!visit.failure.empty())
            co_return;
        DialBack ticket{visit.announce.ticket};
        if (visit.session.proves())
            ticket.proof = prove_dial_back(*visit.session.key, ticket.ticket);
        std::string hello(magic.begin(), magic.end());
        hello += encode(ticket);
        visit.presented = true;
        visit.started = visit.origin_server.is_open();
        if (visit.started)
            hello += encode(Start());
        if (const std::error_code error = data.send_at_once(hello))
            throw std::system_error(error);
        visit.data = std::move(data);
    } catch (const std::system_error& error) {
        if (!visit.failure.empty())
            co_return;
        visit.failure = fmt::format("cannot connect to the remote proxy {}: {}",
                                    to_string(visit.session.remote), error.code().message());
        // Also if it broke while the ticket was sent: the remote proxy may never have read it.
        if (link_ == link && link_ != nullptr)
            refuse(visit.announce.ticket, visit.failure);
    }
}

// The data connection is there already, and the visitor's first bytes with it, perhaps.
awaitable<void> RemoteLink::serve_parked(Visit visit, std::optional<Dial> to_server,
                                         Channel connection)
{
    if (!visit.service)
        visit.failure = no_such_service;
    else if (visit.failure.empty())
        co_await connect_origin_server(visit, std::move(to_server));
    if (visit.failure.empty()) {
        relay_parked(visit, std::move(connection));
        co_return;
    }
    log_visitor_end(visit.announce.visitor, 0, 0, Clock::now() - visit.began, visit.failure,
                    logged_name(visit.announce.service), Blame::origin_side);
    Refuse refuse{visit.announce.ticket, visit.failure};
    co_await refuse_parked(std::move(connection), visit.session.remote, std::move(refuse));
}

// Holds the visitor's place until the connection is closed: the remote proxy decides when that is,
// and its descriptors must not be more than it has places.
awaitable<void> RemoteLink::refuse_parked(Channel connection, tcp::endpoint remote, Refuse refuse)
{
    struct Holding {
        RemoteLink& link;

        ~Holding() { link.visitor_ended(); }
    };

    const Holding holding{*this};
    AsyncChannel channel(io_, remote.protocol(), std::move(connection));
    co_await send_last(channel, encode(refuse));
}

void RemoteLink::relay_parked(Visit& visit, Channel connection)
{
    if (taken_.contains(visit.announce.ticket) || told_.contains(visit.announce.ticket)) {
        // Announced on the control connection meanwhile, since this one broke: served there.
        visitor_ended();
        return;
    }
    taken_.insert(visit.announce.ticket);
    FramedStream stream;
    stream.unsent = encode(Start());
    stream.unsent_may_wait = true; // the answer says the same
    relay(visit, std::move(connection), std::move(stream));
}

PairLimits RemoteLink::limits_of(const Service& service) const
{
    PairLimits limits; // the origin server is the first
    Bandwidths& up = limits.second_to_first;
    Bandwidths& down = limits.first_to_second;
    add_limits(service.options.rules.bandwidth.each, up, down);
    service.bandwidth->add_to(up, down);
    shared_.bandwidth.add_to(up, down);
    return limits;
}

void RemoteLink::relay(Visit& visit, Channel data, FramedStream stream)
{
    PairOptions pair_options{0, limits_of(*visit.service)};
    if (visit.session.framed)
        pair_options.framed = std::move(stream);
    auto done = [this, visitor = std::move(visit.announce.visitor),
                 service = std::move(visit.announce.service), began = visit.began,
                 session = visit.session.id](Flow& flow) {
        asio::post(io_, [this, visitor, service, began, session, flow = std::move(flow)]() mutable {
            shared_.counts.to_origin += flow.second_to_first;
            shared_.counts.to_visitor += flow.first_to_second;
            log_visitor_end(
                visitor, flow.second_to_first, flow.first_to_second, Clock::now() - began,
                describe(flow.end, "origin server", "remote side"), logged_name(service));
            if (flow.second.is_open())
                parking_.put(std::move(flow.second), session);
            visitor_ended();
        });
    };
    relay_.hand_over(std::move(visit.origin_server), std::move(data), std::move(done),
                     std::move(pair_options));
}

void RemoteLink::visitor_ended()
{
    places_.give_back();
    shared_.something_ended();
}

} // namespace tunnel
