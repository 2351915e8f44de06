#include "origin-proxy/link/visits.hpp"

#include <utility>

#include "common/base/log.hpp"
#include "common/relay/describe.hpp"

namespace tunnel {

namespace {

// A remote proxy that announces more visitors than this while they wait for slots is refused them.
constexpr std::size_t most_waiting = 16'384;

// Begun in one turn.
constexpr int visits_in_a_turn = 16;

} // namespace

Visits::Visits(asio::io_context& io, TaskGroup& tasks, DataPlane& plane, Parking::Options parking,
               std::function<void()> on_end)
    : io_(io),
      tasks_(tasks),
      plane_(plane),
      on_end_(std::move(on_end)),
      refuse_([this](const IncomingVisitor& incoming) { refuse_incoming(incoming); }),
      slots_(plane.slots),
      parking_(tasks, plane.dialler, plane.idle, parking,
               [this](Announce&& announce, Channel&& connection) {
                   on_parked_announce(std::move(announce), std::move(connection));
               })
{
}

void Visits::start()
{
    if (parking_.wanted())
        tasks_.spawn("tending parked connections", parking_.tend());
}

void Visits::begin(ControlConnection& connection, const Session& session)
{
    connection_ = &connection;
    ++log_ins_;
    session_ = session;
    if (session_.framed && parking_.wanted())
        parking_.open(session_);
}

void Visits::end()
{
    connection_ = nullptr;
    if (slots_.is_open() && !has_moved_)
        parking_.close();
    waiting_.clear();   // their tickets are void
    announced_.clear(); // who waits is announced again, with the same ticket
}

void Visits::stop()
{
    is_stopped_ = true;
    close();
    end();
    parking_.close();
}

void Visits::close()
{
    slots_.close();
    parking_.leave();
}

void Visits::on_announce(Announce& announce)
{
    log::debug("new client", {{"visitor", announce.visitor}});
    if (connection_ == nullptr || !slots_.is_open()) // its visitor waits for the next origin proxy
        return;
    Reason objection;
    if (is_known(announce.ticket)) // first: another objection would let others serve it again
        objection = {Code::data_connection_lost, "its data connection broke"};
    else if (!plane_.services.find(announce.service))
        objection = no_such_service();
    else if (waiting_.size() >= most_waiting)
        objection = {Code::too_many, "the origin proxy has too many visitors"};
    if (!objection.empty()) {
        refuse(announce.ticket, objection);
        return;
    }
    announced_.insert(announce.ticket);
    waiting_.push_back(std::move(announce));
    start_waiting();
    parking_.missed();
}

void Visits::on_parked_announce(Announce&& announce, Channel&& connection)
{
    log::debug("new client", {{"visitor", announce.visitor}, {"parked", parking_.size()}});
    if (!slots_.is_open()) { // it was announced before the goodbye was heard
        const Refuse leaving{announce.ticket, "the origin proxy is shutting down",
                             Code::shutting_down};
        ++being_refused_;
        tasks_.spawn("refusing a visitor",
                     refuse_leaving(std::move(connection), session_.remote, leaving));
        return;
    }
    if (!slots_.is_free()) // it is announced again when this one closes
        return;
    take_slot();
    IncomingVisitor incoming(plane_, std::move(announce), session_, log_ins_);
    if (auto opener = incoming.local_opener())
        relay_parked(incoming, std::move(connection), std::move(opener));
    else
        connect_parked(std::move(incoming), std::move(connection));
}

void Visits::connect_parked(IncomingVisitor incoming, Channel connection)
{
    if (incoming.connect_server_at_once()) // needs no coroutine
        relay_parked(incoming, std::move(connection));
    else
        tasks_.spawn("serving a visitor", serve_parked(std::move(incoming), std::move(connection)));
}

void Visits::start_waiting()
{
    if (std::exchange(starting_, true))
        return;      // one of them has ended at once, and the loop goes on below it
    int started = 0; // in this turn: thousands may fail as soon as they are started
    while (connection_ != nullptr && !waiting_.empty() && slots_.is_free()) {
        if (++started > visits_in_a_turn) {
            tasks_.spawn("starting visits", start_more());
            return;
        }
        Announce next = std::move(waiting_.front());
        waiting_.pop_front(); // before it is served: it may end, and call this, at once
        if (!plane_.services.find(next.service)) { // withdrawn while it waited
            refuse(next.ticket, no_such_service());
            continue;
        }
        take_slot();
        IncomingVisitor incoming(plane_, std::move(next), session_, log_ins_);
        tasks_.spawn("serving a visitor", serve(std::move(incoming)));
    }
    starting_ = false;
}

// After others have had their turn.
awaitable<void> Visits::start_more()
{
    co_await yield_to_others();
    starting_ = false;
    start_waiting();
}

void Visits::refuse(const Ticket& ticket, const Reason& why)
{
    const Refuse refuse{ticket, why.text, why.code};
    connection_->post(refuse);
}

// Unless the control connection is another one by now.
void Visits::refuse_incoming(const IncomingVisitor& incoming)
{
    if (connection_ != nullptr && incoming.log_in() == log_ins_)
        refuse(incoming.announce().ticket, incoming.failure());
}

bool Visits::is_known(const Ticket& ticket) const
{
    return served_parked_.contains(ticket) || announced_.contains(ticket);
}

awaitable<void> Visits::serve(IncomingVisitor incoming)
{
    co_await incoming.connect(refuse_);
    if (incoming.failure().empty()) {
        relay(incoming, incoming.take_data());
    } else {
        incoming.end_failed();
        free_slot();
    }
}

// The data connection is there already, and perhaps the visitor's first bytes with it.
awaitable<void> Visits::serve_parked(IncomingVisitor incoming, Channel connection)
{
    co_await incoming.connect_server();
    if (incoming.failure().empty()) {
        relay_parked(incoming, std::move(connection));
        co_return;
    }
    incoming.end_failed();
    const Reason& why = incoming.failure();
    Refuse refuse{incoming.announce().ticket, why.text, why.code};
    co_await refuse_parked(std::move(connection), incoming.session().remote, std::move(refuse));
}

// Holds the visitor's slot until the connection is closed: the remote proxy decides when that is,
// and its descriptors must not be more than it has slots.
awaitable<void> Visits::refuse_parked(Channel connection, tcp::endpoint remote, Refuse refuse)
{
    struct Holding {
        Visits& visits;

        ~Holding() { visits.free_slot(); }
    };

    const Holding holding{*this};
    AsyncChannel channel(io_, remote.protocol(), std::move(connection));
    co_await send_last(channel, encode(refuse));
}

// Its first bytes may have come with the announcement: only who says that none was taken lets
// another origin proxy have it.
awaitable<void> Visits::refuse_leaving(Channel connection, tcp::endpoint remote, Refuse refuse)
{
    struct Counts {
        std::size_t& count;

        ~Counts() { --count; }
    };

    const Counts counts{being_refused_};
    AsyncChannel channel(io_, remote.protocol(), std::move(connection));
    co_await send_last(channel, encode(refuse));
}

void Visits::relay_parked(IncomingVisitor& incoming, Channel connection,
                          std::unique_ptr<LocalOpener> opener)
{
    const Ticket& ticket = incoming.announce().ticket;
    if (is_known(ticket)) {
        // Announced on the control connection meanwhile, since this one broke: served there.
        free_slot();
        return;
    }
    served_parked_.insert(ticket);
    FramedStream stream;
    stream.unsent = encode(Start());
    stream.unsent_may_wait = true; // the answer says the same
    relay(incoming, std::move(connection), std::move(stream), std::move(opener));
}

// It could not be connected to at once. It may be away; but its queue may be full, or it has
// another address, too.
void Visits::on_not_opened(Flow& flow)
{
    auto& opener = static_cast<LocalOpener&>(*flow.opener);
    LocalOpener::Visit visit = opener.take_visit();
    served_parked_.erase(visit.announce.ticket);
    IncomingVisitor incoming(plane_, std::move(visit.announce), std::move(visit.session),
                             visit.log_in, visit.began);
    if (is_stopped_) { // what begins now would not be cancelled
        free_slot();
        return;
    }
    if (opener.broken())
        incoming.server_failed(opener.broken());
    connect_parked(std::move(incoming), std::move(flow.second));
}

void Visits::relay(IncomingVisitor& incoming, Channel data, FramedStream stream,
                   std::unique_ptr<LocalOpener> opener)
{
    PairOptions pair_options{0, incoming.limits()};
    pair_options.first_is_unix = incoming.is_unix();
    pair_options.lacks_keep_alive = !incoming.is_unix();
    if (incoming.session().framed)
        pair_options.framed = std::move(stream);
    pair_options.opener = std::move(opener);
    Served served{incoming.take_announce().visitor, incoming.service(), incoming.began(),
                  incoming.log_in()};
    auto done = [this, served = std::move(served)](Flow& flow) mutable {
        asio::post(io_, [this, served = std::move(served), flow = std::move(flow)]() mutable {
            on_relay_end(served, std::move(flow));
        });
    };
    plane_.relay.hand_over(incoming.take_server(), std::move(data), std::move(done),
                           std::move(pair_options));
}

void Visits::on_relay_end(const Served& served, Flow flow)
{
    if (flow.end == End::not_opened) {
        on_not_opened(flow);
        return;
    }
    plane_.counts.to_origin += flow.second_to_first;
    plane_.counts.to_visitor += flow.first_to_second;
    log_visitor_end(served.visitor, flow.second_to_first, flow.first_to_second,
                    Clock::now() - served.began, describe(flow.end, sides_of_origin),
                    logged_name(served.service->options.name));
    if (flow.second.is_open() && served.log_in == log_ins_)
        parking_.put(std::move(flow.second));
    free_slot();
}

void Visits::take_slot()
{
    slots_.take();
    ++plane_.counts.visitors;
}

void Visits::free_slot()
{
    slots_.give_back();
    on_end_();
}

} // namespace tunnel
