// The management interface: an HTTP server on the control plane's thread.
#pragma once

#include <memory>
#include <optional>

#include "common/base/asio.hpp"
#include "common/base/tally.hpp"
#include "common/base/task_group.hpp"
#include "common/base/units.hpp"
#include "common/http/request_reader.hpp"
#include "common/management/access.hpp"
#include "common/management/client.hpp"
#include "common/management/door.hpp"
#include "common/management/process_metrics.hpp"
#include "common/management/router.hpp"
#include "common/management/successor.hpp"
#include "common/management/turns.hpp"
#include "common/security/handshake.hpp"
#include "common/security/handshake_budget.hpp"

namespace tunnel {

// How long and how many, where clients could make it endless.
struct ManagementLimits {
    RequestReader::Limits request{};
    std::size_t connections = 64; // more are answered 503
    milliseconds head = std::chrono::seconds(5);
    milliseconds body = std::chrono::seconds(10);
    milliseconds write = std::chrono::seconds(10);
    milliseconds idle = std::chrono::seconds(15);    // between two requests, or events
    milliseconds farewell = std::chrono::seconds(1); // for the client to close
};

// Connections that a process with so many descriptors can spare.
std::size_t management_connections(std::size_t descriptor_limit);

// What is left of the limit for everything else.
std::size_t descriptors_beside_management(std::size_t limit, const ManagementOptions& options);

// All members run on the thread of the io_context, and so do the handlers of the router: what takes
// one of them long keeps visitors waiting. Connections take turns (ManagementTurns).
class ManagementServer {
public:
    // Listens from here on, and reads the files. Throws as ManagementDoor and Trust do.
    ManagementServer(asio::io_context& io, const ManagementOptions& options,
                     const ManagementLimits& limits);

    ~ManagementServer();

    // Starts to answer, while the io_context runs.
    void start(Router router);

    // From here on a program that is started gets the address as soon as it asks. Until then
    // clients are answered as before, and those who are connected also afterwards.
    void stop_gently() { is_stopping_ = true; }

    // Ends every connection; run the io_context dry afterwards.
    void stop();

    bool stopped() const { return tasks_.empty(); }

    // By whom clients know this, and this them.
    struct Trust {
        // Reads the files; throws std::runtime_error that names the one that is of no use.
        explicit Trust(const ManagementOptions& options);

        Tokens tokens;
        std::optional<TlsContext> tls; // none: it is not encrypted
    };

    // That of other options, for change(); nothing if those have no management address. Throws as
    // Trust does, or if there is nothing to know clients by at an address that needs it.
    std::optional<Trust> read_trust(const ManagementOptions& options) const;

    // From now on this holds, also for those who are connected: their connections end. Without any,
    // what does.
    void change(std::optional<Trust> trust);

    const ManagementDoor& door() const { return door_; }

private:
    // Counts one connection while it lives.
    class Place;

    ManagementServer(asio::io_context& io, const ManagementOptions& options,
                     const ManagementLimits& limits, Trust trust);

    bool give_up_address();
    awaitable<void> accept_clients();
    bool accept(std::error_code& error);
    awaitable<void> serve(ManagementClient client, Place place);
    awaitable<std::optional<Response>> next_answer(ManagementClient& client, RequestReader& reader,
                                                   Clock::time_point limit,
                                                   std::uint64_t generation);
    awaitable<void> read_head(ManagementClient& client, RequestReader& reader,
                              Clock::time_point limit);
    awaitable<void> read_body(ManagementClient& client, RequestReader& reader);
    std::optional<Response> objection(const Request& request) const;
    Response answer(const Request& request) const;
    awaitable<void> send_events(ManagementClient& client, EventStream& events,
                                std::uint64_t generation);

    asio::io_context& io_;
    const ManagementLimits limits_;
    ManagementDoor door_;
    asio::posix::stream_descriptor listening_; // the door's
    SuccessorSocket successor_;
    bool is_stopping_ = false;
    Access access_;
    std::optional<TlsContext> tls_;
    HandshakeBudget handshakes_;
    std::uint64_t generation_ = 0; // of whom is trusted
    Router router_;
    // Shared with the coroutines: at an end by an exception they may outlive this.
    std::shared_ptr<std::size_t> connections_ = std::make_shared<std::size_t>(0);
    std::shared_ptr<ManagementTurns> turns_;
    Tally accept_failures_{"cannot accept a connection to the management address", Code::failed};
    TaskGroup tasks_;
};

// A server with what has to be opened before the sandbox is entered.
struct Management {
    Management(asio::io_context& io, const ManagementOptions& options, std::size_t descriptor_limit,
               std::string program, std::shared_ptr<const Loaded> loaded);

    ManagementServer server;
    std::shared_ptr<const ProcessMetrics> process;
};

// Null: the options have no address for it. Throws as ManagementServer does.
std::unique_ptr<Management> prepare_management(asio::io_context& io,
                                               const ManagementOptions& options,
                                               std::size_t descriptor_limit, std::string program,
                                               std::shared_ptr<const Loaded> loaded);

} // namespace tunnel
