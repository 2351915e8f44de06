// The visitors of one remote proxy, from their announcements to their ends.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "common/base/asio.hpp"
#include "common/base/task_group.hpp"
#include "common/protocol/control_connection.hpp"
#include "origin-proxy/link/data_plane.hpp"
#include "origin-proxy/link/incoming_visitor.hpp"
#include "origin-proxy/link/parking.hpp"
#include "origin-proxy/link/recent_tickets.hpp"

namespace tunnel {

// Joins each visitor's data connection with a connection to the origin server. Both are made for a
// visitor who is announced on the control connection; one who is announced on a data connection
// that waits ("parked") needs the second alone. Visitors live on when the control connection is
// gone.
class Visits {
public:
    // `on_end` is called when a visitor has ended. `tasks`, `plane` and what `on_end` needs must
    // outlive it.
    Visits(asio::io_context& io, TaskGroup& tasks, DataPlane& plane, Parking::Options parking,
           std::function<void()> on_end);

    // Keeps the number of parked connections right from now on.
    void start();

    // There is a log-in: serves the visitors who are announced in this session. `connection` must
    // live until end().
    void begin(ControlConnection& connection, const Session& session);

    // The control connection is gone. Visitors who still wait are announced again on the next.
    void end();

    // Takes no more visitors.
    void close();

    // Another link dials the data connections from now on; visitors who come on those that are
    // parked are served.
    void stop_dialling()
    {
        has_moved_ = true;
        parking_.stop_dialling();
    }

    // The same, and nothing is begun any more: the tasks are about to be cancelled.
    void stop();

    // A visitor is announced on the control connection. Not before begin(): there it is ignored.
    void on_announce(Announce& announce);

    // Connects those who wait for a slot, as far as slots are free.
    void start_waiting();

    // Whether to ask for parking at the log-in.
    bool wants_parking() const { return parking_.wanted(); }

    // Descriptors are there for so many parked connections.
    void set_parking_capacity(std::size_t capacity) { parking_.set_capacity(capacity); }

    // Visitors that are being connected or served.
    std::size_t size() const { return slots_.taken(); }

    // Data connections that wait for a visitor.
    std::size_t parked() const { return parking_.size(); }

    // After close(): visitors may still be under way to this origin proxy, or are being refused.
    bool is_leaving() const { return parking_.size() + being_refused_ > 0; }

private:
    // What is remembered of a visitor that the relay serves: as little as possible, since most of
    // them are idle.
    struct Served {
        std::string visitor; // "ip:port"
        std::shared_ptr<const Service> service;
        Clock::time_point began;
        std::uint64_t log_in; // the number of the one in whose session it came
    };

    void on_parked_announce(Announce&& announce, Channel&& connection);
    awaitable<void> start_more();
    void refuse(const Ticket& ticket, const Reason& why);
    void refuse_incoming(const IncomingVisitor& incoming);
    bool is_known(const Ticket& ticket) const;
    awaitable<void> serve(IncomingVisitor incoming);
    awaitable<void> serve_parked(IncomingVisitor incoming, Channel connection);
    awaitable<void> refuse_leaving(Channel connection, tcp::endpoint remote, Refuse refuse);
    awaitable<void> refuse_parked(Channel connection, tcp::endpoint remote, Refuse refuse);
    void connect_parked(IncomingVisitor incoming, Channel connection);
    void relay_parked(IncomingVisitor& incoming, Channel connection,
                      std::unique_ptr<LocalOpener> opener = nullptr);
    void on_not_opened(Flow& flow);
    void relay(IncomingVisitor& incoming, Channel data, FramedStream stream = {},
               std::unique_ptr<LocalOpener> opener = nullptr);
    void on_relay_end(const Served& served, Flow flow);
    void take_slot();
    void free_slot();

    asio::io_context& io_;
    TaskGroup& tasks_;
    DataPlane& plane_;
    const std::function<void()> on_end_;
    const IncomingVisitor::OnFailure refuse_;
    VisitorSlots::Share slots_;
    ControlConnection* connection_ = nullptr; // null: there is no log-in
    std::uint64_t log_ins_ = 0;
    Session session_;               // of the latest log-in
    std::deque<Announce> waiting_;  // for a slot
    std::size_t being_refused_ = 0; // since this origin proxy leaves
    bool is_stopped_ = false;
    bool has_moved_ = false; // what is parked is the remote proxy's to close
    bool starting_ = false;  // those that wait
    // A visitor whose parked connection broke is announced again on the control connection, and
    // must not be served twice.
    RecentTickets served_parked_;
    RecentTickets announced_; // on this control connection
    Parking parking_;
};

} // namespace tunnel
