// One visitor, while the connections for it are made.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "common/base/asio.hpp"
#include "common/base/code.hpp"
#include "common/protocol/frame.hpp"
#include "common/relay/relay.hpp"
#include "origin-proxy/link/data_dialler.hpp"
#include "origin-proxy/link/data_plane.hpp"
#include "origin-proxy/link/local_opener.hpp"
#include "origin-proxy/servers/services.hpp"

namespace tunnel {

// Connects to the origin server and, unless the visitor is announced on a data connection, to the
// remote proxy. The first failure is kept; nothing here throws but for want of memory.
class IncomingVisitor {
public:
    // Has to tell the remote proxy of the failure, on the control connection.
    using OnFailure = std::function<void(const IncomingVisitor&)>;

    // Has failed already if there is no such service. `log_in` is the number of the one in whose
    // session the visitor was announced. `plane` must outlive it.
    IncomingVisitor(DataPlane& plane, Announce announce, Session session, std::uint64_t log_in,
                    Clock::time_point began = Clock::now());

    const Announce& announce() const { return announce_; }

    Announce take_announce() { return std::move(announce_); }

    const Session& session() const { return session_; }

    std::uint64_t log_in() const { return log_in_; }

    Clock::time_point began() const { return began_; }

    // Empty while there is none.
    const Reason& failure() const { return failure_; }

    // Makes both connections, and says on the data connection what became of the origin server.
    // `on_failure` is called at once, at most once, for a failure that cannot go that way.
    awaitable<void> connect(const OnFailure& on_failure);

    // Null: the origin server is not known to be on this machine, and one of the others has to be
    // called. Else the relay may connect to it.
    std::unique_ptr<LocalOpener> local_opener() const;

    // Somebody else has tried the origin server, and failed so.
    void server_failed(std::error_code error);

    // Connects to the origin server alone: whether that has succeeded without waiting. If not, call
    // connect_server().
    bool connect_server_at_once();
    awaitable<void> connect_server();

    // Null: there is none of that name.
    std::shared_ptr<const Service> service() const { return service_; }

    // Whether the origin server listens on a Unix socket. Of a visitor without failure.
    bool is_unix() const { return service_->options.origin_server_address.is_unix(); }

    // What these have made, prepared for the relay. The server's socket has no keep_alive() yet.
    Channel take_server() { return std::move(server_); }

    Channel take_data() { return std::move(data_); }

    PairLimits limits() const;

    // Resets what is connected, and logs the visitor's end.
    void end_failed();

private:
    void begin();
    awaitable<void> dial_back(Dial begun);
    Reason prepare_server(Fd socket);
    void conclude();
    bool fail(Reason why);

    DataPlane& plane_;
    Announce announce_;
    Session session_;
    std::uint64_t log_in_;
    Clock::time_point began_;
    std::shared_ptr<Service> service_;      // null: there is none of that name
    std::optional<Dial> to_server_;         // none: its name has to be looked up first
    const OnFailure* on_failure_ = nullptr; // null: it was announced on a data connection
    Channel server_;
    Channel data_;
    bool presented_ = false; // the ticket is on its way, so all else goes there too
    bool started_ = false;   // the start frame has been sent
    Reason failure_;
};

Reason no_such_service();

// As the log has it: the only service has no name there.
std::string_view logged_name(std::string_view service);

} // namespace tunnel
