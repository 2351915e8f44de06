// The management interface: an HTTP server on the control plane's thread.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "common/base/asio.hpp"
#include "common/base/tally.hpp"
#include "common/base/task_group.hpp"
#include "common/base/units.hpp"
#include "common/http/request_reader.hpp"
#include "common/management/access.hpp"
#include "common/management/client.hpp"
#include "common/management/management_listener.hpp"
#include "common/management/process_metrics.hpp"
#include "common/management/router.hpp"
#include "common/management/successor.hpp"
#include "common/management/turns.hpp"
#include "common/security/handshake.hpp"
#include "common/security/handshake_budget.hpp"

namespace tunnel {

// Limits of time and number that clients could otherwise exceed.
struct ManagementLimits {
    RequestReader::Limits request{};
    std::size_t connections = 64; // more are answered 503
    milliseconds head = std::chrono::seconds(5);
    milliseconds body = std::chrono::seconds(10);
    milliseconds write = std::chrono::seconds(10);
    milliseconds idle = std::chrono::seconds(15);    // between two requests, or events
    milliseconds farewell = std::chrono::seconds(1); // for the client to close
};

// The connections that a process with so many descriptors can spare.
std::size_t management_connections(std::size_t descriptor_limit);

// What is left of the limit for everything else.
std::size_t descriptors_beside_management(std::size_t limit, const ManagementOptions& options);

// Members and the handlers of the router run on the thread of the io_context: a slow one makes
// visitors wait. Connections take turns (ManagementTurns).
class ManagementServer {
public:
    // Listens, and reads the files. Throws like ManagementListener and Trust.
    ManagementServer(asio::io_context& io, const ManagementOptions& options,
                     const ManagementLimits& limits, GivenSockets& given);

    ~ManagementServer();

    // Starts to answer requests.
    void start(Router router);

    // From now on a newly started program gets the address when it asks. Until then clients are
    // answered as before; connected clients also afterwards.
    void stop_gently() { is_stopping_ = true; }

    // Another process that shares the address answers from now on; connected clients are answered
    // here.
    void leave();

    // Takes no connections until resume(), or for another process that shares the address.
    void pause();
    void resume();

    // The address that was given is this program's alone from now on.
    void own_address() { listener_.own_file(); }

    // Its address, and where a successor asks for it: for such a process.
    std::vector<int> descriptors();

    // Ends every connection; run the io_context dry afterwards.
    void stop();

    bool stopped() const { return tasks_.empty(); }

    // What authenticates clients, and this server to them.
    struct Trust {
        // Reads the files; throws std::runtime_error that names the useless one.
        explicit Trust(const ManagementOptions& options);

        Tokens tokens;
        std::optional<TlsContext> tls; // none: it is not encrypted
    };

    // The trust of other options, for change(); nullopt if they have no management address. Throws
    // like Trust, or if the address needs tokens or certificates and there are none.
    std::optional<Trust> read_trust(const ManagementOptions& options) const;

    // Replaces the trust; existing connections end. nullopt: it stays.
    void change(std::optional<Trust> trust);

    const ManagementListener& listener() const { return listener_; }

private:
    // Counts one connection while it lives.
    class Place;

    ManagementServer(asio::io_context& io, const ManagementOptions& options,
                     const ManagementLimits& limits, Trust trust, GivenSockets& given);

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
    ManagementListener listener_;
    asio::posix::stream_descriptor listening_; // the listener's
    SuccessorSocket successor_;
    bool is_stopping_ = false;
    bool is_paused_ = false;
    std::uint64_t pauses_ = 0;
    Signal resumed_;
    Access access_;
    std::optional<TlsContext> tls_;
    HandshakeBudget handshakes_;
    std::uint64_t generation_ = 0; // of whom is trusted
    Router router_;
    // Shared with the coroutines, which may outlive this when an exception ends the program.
    std::shared_ptr<std::size_t> connections_ = std::make_shared<std::size_t>(0);
    std::shared_ptr<ManagementTurns> turns_;
    Tally accept_failures_{"cannot accept a connection to the management address", Code::failed};
    TaskGroup tasks_;
};

// The server, and what must be opened before the sandbox is entered.
struct Management {
    Management(asio::io_context& io, const ManagementOptions& options, std::size_t descriptor_limit,
               std::string program, std::shared_ptr<const CertificatesInUse> loaded,
               GivenSockets& given);

    ManagementServer server;
    std::shared_ptr<const ProcessMetrics> process;
};

// Null: the options have no management address. Throws like ManagementServer.
std::unique_ptr<Management> prepare_management(asio::io_context& io,
                                               const ManagementOptions& options,
                                               std::size_t descriptor_limit, std::string program,
                                               std::shared_ptr<const CertificatesInUse> loaded,
                                               GivenSockets& given);

} // namespace tunnel
