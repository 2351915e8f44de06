#include "common/management/server.hpp"

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <stdexcept>
#include <utility>

#include <fmt/format.h>
#include <sys/socket.h>

#include "common/base/log.hpp"
#include "common/management/events.hpp"
#include "common/transport/listener.hpp"

namespace tunnel {

namespace {

using Progress = RequestReader::Progress;

constexpr int accept_batch = 16; // connections, then others have a turn

// The listener, that for a successor and one who asks there, and what /metrics is read from.
constexpr std::size_t other_descriptors = 6;

// Less than at the control address: operators can wait, visitors cannot.
constexpr HandshakeBudget::Options handshake_limits{.share = 0.1};

// Where there is no room to wait until it can be written.
void turn_away(const Fd& socket)
{
    Sending sending;
    sending.now = std::time(nullptr);
    const std::string bytes = encode(refusal(503, "too many connections"), sending);
    ::send(socket.get(), bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
}

// An answer to a client that may not ask anything here. Its connection ends, so that each guess
// costs a new connection.
bool is_for_nobody(const Response& response)
{
    constexpr unsigned unauthorized = 401;
    constexpr unsigned misdirected = 421;
    return response.status == unauthorized || response.status == misdirected;
}

} // namespace

class ManagementServer::Place {
public:
    explicit Place(std::shared_ptr<std::size_t> connections) : connections_(std::move(connections))
    {
        ++*connections_;
    }

    Place(Place&&) noexcept = default;
    Place& operator=(Place&&) = delete;

    ~Place()
    {
        if (connections_)
            --*connections_;
    }

private:
    std::shared_ptr<std::size_t> connections_;
};

std::size_t management_connections(std::size_t descriptor_limit)
{
    return std::clamp<std::size_t>(descriptor_limit / 16, 2, 64);
}

std::size_t descriptors_beside_management(std::size_t limit, const ManagementOptions& options)
{
    if (!options.address)
        return limit;
    return limit - std::min(limit, management_connections(limit) + other_descriptors);
}

ManagementServer::Trust::Trust(const ManagementOptions& options) : tokens(options)
{
    if (options.certificate.given())
        tls = TlsContext::accepts(options.certificate, options.client_ca_file);
}

ManagementServer::ManagementServer(asio::io_context& io, const ManagementOptions& options,
                                   const ManagementLimits& limits, GivenSockets& given)
    : ManagementServer(io, options, limits, Trust(options), given)
{
}

ManagementServer::ManagementServer(asio::io_context& io, const ManagementOptions& options,
                                   const ManagementLimits& limits, Trust trust, GivenSockets& given)
    : io_(io),
      limits_(limits),
      listener_(io, options, given),
      listening_(io, listener_.descriptor()),
      successor_(io.get_executor(), listener_.name(), given),
      resumed_(io.get_executor()),
      access_(std::move(trust.tokens), listener_.loopback_host()),
      tls_(std::move(trust.tls)),
      handshakes_(io.get_executor(), handshake_limits),
      turns_(std::make_shared<ManagementTurns>(io.get_executor())),
      tasks_(io.get_executor())
{
    log::info("management", {{"address", listener_.where()}, {"encrypted", tls_ ? "yes" : "no"}});
    if (listener_.is_open_to_others() && !tls_)
        log::warn("the management interface is not encrypted, and other machines reach it: anyone "
                  "on the way can read the token; give --management-tls-cert and "
                  "--management-tls-key",
                  {{"address", listener_.where()}});
}

ManagementServer::~ManagementServer()
{
    listening_.release();
}

void ManagementServer::start(Router router)
{
    router_ = std::move(router);
    tasks_.spawn("accepting management requests", accept_clients());
    tasks_.spawn("giving up the management address",
                 successor_.serve([this] { return give_up_address(); }));
}

bool ManagementServer::give_up_address()
{
    if (!is_stopping_)
        return false;
    listening_.release(); // ends the wait in accept_clients()
    listener_.close();
    log::info("the management address goes to a successor", {{"address", listener_.where()}});
    return true;
}

void ManagementServer::pause()
{
    if (!listener_.is_open() || std::exchange(is_paused_, true))
        return;
    ++pauses_; // it may be over before the one that waits has heard of it
    std::error_code ignored;
    listening_.cancel(ignored);
}

void ManagementServer::resume()
{
    is_paused_ = false;
    resumed_.notify();
}

void ManagementServer::leave()
{
    resume();
    if (!listener_.is_open())
        return;
    listening_.release(); // ends the wait in accept_clients()
    listener_.leave();
    successor_.leave();
}

std::vector<int> ManagementServer::descriptors()
{
    std::vector<int> all;
    if (listener_.is_open())
        all.push_back(listener_.descriptor());
    if (const int asked_at = successor_.descriptor(); asked_at >= 0)
        all.push_back(asked_at);
    return all;
}

void ManagementServer::stop()
{
    tasks_.cancel();
}

std::optional<ManagementServer::Trust>
ManagementServer::read_trust(const ManagementOptions& options) const
{
    // Whoever takes the address out of the options wants nobody there, and not everybody.
    if (!options.address)
        return std::nullopt;
    // The address stays the one of the start, whatever the options say by now.
    if (listener_.is_open_to_others() && !options.knows_clients())
        throw std::runtime_error(way_out_for_open_address(listener_.where()));
    return Trust(options);
}

void ManagementServer::change(std::optional<Trust> trust)
{
    if (!trust) {
        log::warn("the management address stays open, with its tokens, until a restart",
                  {{"address", listener_.where()}});
        return;
    }
    ++generation_;
    access_.change(std::move(trust->tokens));
    tls_ = std::move(trust->tls);
}

awaitable<void> ManagementServer::accept_clients()
{
    const auto turns = turns_; // which this may outlive
    for (;;) {
        while (is_paused_)
            co_await resumed_.wait();
        if (!listener_.is_open())
            co_return;
        std::error_code error;
        const std::uint64_t pauses = pauses_;
        co_await listening_.async_wait(asio::posix::stream_descriptor::wait_read,
                                       redirect_error(use_awaitable, error));
        if (error == asio::error::operation_aborted && pauses != pauses_)
            continue;
        if (error && listener_.is_open()) // it is cancelled
            throw std::system_error(error);
        co_await turns->next();
        if (!listener_.is_open())
            co_return turns->over();
        for (int i = 0; i < accept_batch && accept(error); ++i)
            ;
        turns->over();
        if (error && error != std::errc::operation_would_block && !concerns_one_connection(error)) {
            accept_failures_.count(listener_.where(), error.message(), code_of(error),
                                   Clock::now());
            co_await sleep_for(std::chrono::milliseconds(100));
        }
    }
}

// Whether there was a connection.
bool ManagementServer::accept(std::error_code& error)
{
    Fd socket(::accept4(listener_.descriptor(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (!socket.is_open()) {
        error.assign(errno, std::system_category());
        return false;
    }
    if (*connections_ >= limits_.connections) {
        turn_away(socket);
        return true;
    }
    try {
        tasks_.spawn("a management connection",
                     serve(ManagementClient(turns_, io_.get_executor(), std::move(socket)),
                           Place(connections_)));
    } catch (const std::system_error& failure) { // the system watches no more descriptors
        error = failure.code();
        return false;
    }
    return true;
}

awaitable<void> ManagementServer::serve(ManagementClient client, Place /*while it lasts*/)
{
    RequestReader reader(limits_.request);
    auto patience = limits_.head;
    const std::uint64_t generation = generation_;
    try {
        if (tls_)
            co_await client.secure(*tls_, handshakes_, Clock::now() + limits_.head);
        for (;;) {
            auto response =
                co_await next_answer(client, reader, Clock::now() + patience, generation);
            if (!response)
                co_return;
            if (response->later) {
                const auto later = std::move(response->later);
                client.end_turn();
                *response = co_await later();
            }
            const bool is_whole = reader.progress() == Progress::whole;
            Sending sending;
            sending.keep_alive = is_whole && reader.request().keep_alive && !response->events &&
                                 !is_for_nobody(*response);
            sending.says_keep_alive = is_whole && reader.request().is_http_1_0;
            sending.head_only = is_whole && reader.request().method == Method::head;
            sending.now = std::time(nullptr);
            co_await client.write(encode(*response, sending), Clock::now() + limits_.write);
            if (response->events && !sending.head_only)
                co_await send_events(client, *response->events, generation);
            if (!sending.keep_alive || generation != generation_)
                break;
            co_await client.take_turn(Clock::now() + limits_.idle); // it may have come already
            reader.next();
            patience = limits_.idle;
        }
        co_await client.finish(Clock::now() + limits_.farewell);
    } catch (const std::system_error& error) {
        // Not a warning: any client can cause as many as it likes.
        if (error.code() == asio::error::operation_aborted)
            throw;
        // A client that does not read would keep megabytes in the kernel.
        client.reset_at_end();
        log::debug("lost a management connection",
                   {{"code", name_of(code_of(error.code()))}, {"reason", error.what()}});
    }
}

awaitable<void> ManagementServer::send_events(ManagementClient& client, EventStream& events,
                                              std::uint64_t generation)
{
    while (generation == generation_) {
        client.end_turn();
        std::string bytes = co_await events.take(Clock::now() + limits_.idle);
        if (bytes.empty() && events.is_closed())
            break;
        if (generation != generation_) // it may not be for this client any more
            break;
        // A client that has gone shows when it is written to.
        if (bytes.empty())
            bytes = still_here;
        co_await client.write(std::move(bytes), Clock::now() + limits_.write);
    }
}

// To what comes next, and begins before the limit; nullopt: nothing does, or the client has gone.
awaitable<std::optional<Response>> ManagementServer::next_answer(ManagementClient& client,
                                                                 RequestReader& reader,
                                                                 Clock::time_point limit,
                                                                 std::uint64_t generation)
{
    try {
        co_await read_head(client, reader, limit);
        if (tls_ && generation != generation_) // its certificate may be no longer good
            co_return std::nullopt;
        if (reader.progress() == Progress::body || reader.progress() == Progress::whole) {
            if (auto objected = objection(reader.request()))
                co_return objected; // nobody who may not is listened to any longer
            co_await read_body(client, reader);
        }
        if (reader.progress() == Progress::wrong)
            co_return refusal(reader.problem().status, reader.problem().text);
        if (reader.progress() != Progress::whole)
            co_return std::nullopt;
        co_return answer(reader.request());
    } catch (const std::system_error& error) {
        if (error.code() != std::errc::timed_out)
            throw;
        if (reader.progress() == Progress::none)
            co_return std::nullopt;
        co_return refusal(408, "the request did not come in time");
    }
}

awaitable<void> ManagementServer::read_head(ManagementClient& client, RequestReader& reader,
                                            Clock::time_point limit)
{
    while (reader.progress() == Progress::none || reader.progress() == Progress::head) {
        const auto bytes = co_await client.read(limit);
        if (bytes.empty())
            co_return;
        const bool begins = reader.progress() == Progress::none;
        reader.put(bytes);
        if (begins)
            limit = Clock::now() + limits_.head;
    }
}

awaitable<void> ManagementServer::read_body(ManagementClient& client, RequestReader& reader)
{
    const auto limit = Clock::now() + limits_.body;
    if (reader.progress() == Progress::body && reader.request().expects_continue)
        co_await client.write(std::string(go_on), limit);
    while (reader.progress() == Progress::body) {
        const auto bytes = co_await client.read(limit);
        if (bytes.empty())
            co_return;
        reader.put(bytes);
    }
}

// To a request of which the head is known; nullopt: none.
std::optional<Response> ManagementServer::objection(const Request& request) const
{
    if (auto objected = access_.objection(request))
        return objected;
    auto found = router_.find(request);
    if (auto* const response = std::get_if<Response>(&found))
        return std::move(*response);
    return access_.objection_to_change(request);
}

Response ManagementServer::answer(const Request& request) const
{
    const auto found = router_.find(request);
    if (const auto* const response = std::get_if<Response>(&found))
        return *response;
    try {
        return (*std::get<const Router::Handler*>(found))(request);
    } catch (const std::exception& error) {
        log::error("cannot answer a management request",
                   {{"code", name_of(Code::failed)}, {"reason", error.what()}});
        return refusal(500, "the log has the reason");
    }
}

Management::Management(asio::io_context& io, const ManagementOptions& options,
                       std::size_t descriptor_limit, std::string program,
                       std::shared_ptr<const CertificatesInUse> loaded, GivenSockets& given)
    : server(io, options, {{}, management_connections(descriptor_limit)}, given),
      process(std::make_shared<const ProcessMetrics>(std::move(program), std::move(loaded)))
{
}

std::unique_ptr<Management> prepare_management(asio::io_context& io,
                                               const ManagementOptions& options,
                                               std::size_t descriptor_limit, std::string program,
                                               std::shared_ptr<const CertificatesInUse> loaded,
                                               GivenSockets& given)
{
    if (!options.address)
        return nullptr;
    return std::make_unique<Management>(io, options, descriptor_limit, std::move(program),
                                        std::move(loaded), given);
}

} // namespace tunnel
