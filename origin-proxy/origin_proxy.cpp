#include "origin-proxy/origin_proxy.hpp"

#include <algorithm>
#include <random>
#include <utility>

#include <fmt/format.h>

#include "common/backoff.hpp"
#include "common/error.hpp"
#include "common/log.hpp"
#include "common/net/dial.hpp"
#include "common/net/socket.hpp"
#include "common/relay/describe.hpp"

namespace tunnel {

namespace {

// Standard streams, loops and a control connection, with some to spare.
constexpr std::size_t own_descriptors = 24;

// Announcements that wait for descriptors; a remote proxy with a larger room is refused the rest.
constexpr std::size_t most_announced = 16'384;

// A visitor takes two descriptors; an eighth of all is left for addresses that are raced.
std::size_t visitor_capacity(std::size_t descriptor_limit)
{
    const std::size_t usable = descriptor_limit - std::min(descriptor_limit, own_descriptors);
    return std::max<std::size_t>(1, usable * 7 / 16);
}

} // namespace

struct OriginProxy::Visit {
    Announce announce;
    Clock::time_point began = Clock::now();
    std::optional<tcp::socket> origin_server;
    std::optional<tcp::socket> data;
    bool presented = false; // the ticket is on its way, so all else goes there too
    bool started = false;   // the start frame has been sent
    std::string failure;    // the first; empty while there is none
};

OriginProxy::OriginProxy(
    asio::io_context& io, const OriginOptions& options,
    std::function<void(const tcp::endpoint& remote, const std::string& outside)> on_ready)
    : io_(io),
      options_(options),
      visitor_capacity_(visitor_capacity(options.descriptor_limit)),
      on_ready_(std::move(on_ready)),
      origin_server_(options.origin_server_address, options.dial_timeout),
      id_{random_bytes()},
      retry_(io.get_executor()),
      visitor_left_(io.get_executor()),
      relay_({1, options.common.half_close_timeout, options.common.idle_timeout}),
      tasks_(io.get_executor())
{
}

void OriginProxy::start()
{
    tasks_.spawn("staying connected", stay_connected());
}

void OriginProxy::stop_gently()
{
    stopping_ = true;
    log::info("stopping", {{"visitors", visitors()}, {"grace", options_.common.grace_period}});
    if (link_ != nullptr)
        link_->finish("the origin proxy is shutting down");
    retry_.notify();
    tasks_.spawn("stopping", drain());
}

awaitable<void> OriginProxy::drain()
{
    const auto deadline = Clock::now() + options_.common.grace_period;
    while (visitors() > 0 && Clock::now() < deadline)
        co_await visitor_left_.wait_until(deadline);
    const auto patience = Clock::now() + std::chrono::seconds(1);
    while (link_ != nullptr && Clock::now() < patience)
        co_await visitor_left_.wait_until(patience);
    stop_now();
}

void OriginProxy::stop_now()
{
    if (std::exchange(stopped_, true))
        return;
    stopping_ = true;
    relay_.stop();
    tasks_.cancel();
}

void OriginProxy::reconnect_now()
{
    log::info("reconnecting on request");
    reconnect_ = true;
    if (link_ != nullptr)
        link_->finish("reconnecting on request");
    retry_.notify();
}

// ---- The control connection

// Has no normal end but that of the program: a connection that is lost is made anew.
awaitable<void> OriginProxy::stay_connected()
{
    Backoff backoff(options_.first_retry, options_.slowest_retry);
    std::random_device random;
    std::uint32_t failures = 0;
    for (;;) {
        const auto began = Clock::now();
        welcome_ = false;
        std::string reason;
        try {
            co_await follow();
        } catch (const std::system_error& error) {
            reason = error.what();
        }
        if (stopping_)
            co_return;
        if (welcome_)
            failures = 0;
        if (std::exchange(reconnect_, false)) {
            backoff.reset();
            continue;
        }
        if (options_.max_retries && failures++ >= *options_.max_retries) {
            log::error(welcome_ ? "lost the remote proxy" : "cannot log in to the remote proxy",
                       {{"remote", to_string(options_.remote_proxy_address)},
                        {"reason", reason},
                        {"retries", *options_.max_retries}});
            gave_up_ = true;
            co_await drain();
            co_return;
        }
        if (welcome_ && Clock::now() - began >= options_.healthy_spell)
            backoff.reset();
        const auto wait = backoff.next(random());
        log::warn(welcome_ ? "lost the remote proxy" : "cannot log in to the remote proxy",
                  {{"remote", to_string(options_.remote_proxy_address)},
                   {"reason", reason},
                   {"retry-in", wait}});
        const auto next_try = Clock::now() + wait;
        while (Clock::now() < next_try && !reconnect_ && !stopping_)
            co_await retry_.wait_until(next_try);
        reconnect_ = false;
        if (stopping_)
            co_return;
    }
}

// One control connection, from the look-up of the remote proxy's name to the connection's end.
awaitable<void> OriginProxy::follow()
{
    auto endpoints = co_await resolve(options_.remote_proxy_address, options_.dial_timeout);
    auto socket = co_await dial(std::move(endpoints), options_.dial_timeout);
    LogIn log_in;
    log_in.program_version = TUNNEL_VERSION;
    log_in.origin = id_;
    log_in.heartbeat_timeout = options_.common.heartbeat_timeout;
    std::string hello(magic.begin(), magic.end());
    hello += encode(log_in);
    co_await send(socket, std::move(hello));

    ControlConnection connection(
        std::move(socket), {options_.common.heartbeat_interval, options_.common.heartbeat_timeout});

    struct Linked {
        OriginProxy& proxy;

        Linked(OriginProxy& owner, ControlConnection& link) : proxy(owner) { proxy.link_ = &link; }

        ~Linked()
        {
            proxy.link_ = nullptr;
            proxy.announced_.clear(); // their tickets are void
            proxy.visitor_left_.notify();
        }
    };

    const Linked linked(*this, connection);
    if (stopping_)
        co_return;
    const std::function<void(Frame&)> on_each = [this](Frame& frame) { on_frame(frame); };
    co_await connection.run(on_each);
}

void OriginProxy::on_frame(Frame& frame)
{
    if (auto* const announce = std::get_if<Announce>(&frame)) {
        on_announce(*announce);
    } else if (const auto* const welcome = std::get_if<Welcome>(&frame)) {
        welcome_ = true;
        on_welcome(*welcome);
    } else if (const auto* const reject = std::get_if<Reject>(&frame)) {
        link_->end(make_error_code(Errc::rejected), reject->text);
    } else if (const auto* const notice = std::get_if<Notice>(&frame)) {
        log::warn("the remote proxy says", {{"notice", notice->text}});
    } else if (const auto* const goodbye = std::get_if<Goodbye>(&frame)) {
        link_->end(make_error_code(Errc::closed_by_peer), goodbye->text);
    }
}

void OriginProxy::on_welcome(const Welcome& welcome)
{
    reconnect_ = false; // asked for while this connection was being made
    link_->set_peer_timeout(welcome.heartbeat_timeout);
    log::info("logged in", {{"remote", to_string(link_->peer())},
                            {"outside", welcome.outside_address},
                            {"version", welcome.program_version}});
    if (on_ready_)
        std::exchange(on_ready_, nullptr)(link_->peer(), welcome.outside_address);
}

// ---- Visitors

void OriginProxy::on_announce(Announce& announce)
{
    log::debug("new client", {{"visitor", announce.visitor}});
    if (stopping_) // its visitor waits for the next origin proxy
        return;
    std::string_view objection;
    if (announce.service != default_service)
        objection = "the origin proxy has no such service";
    else if (announced_.size() >= most_announced)
        objection = "the origin proxy has too many visitors";
    if (!objection.empty()) {
        const Refuse refuse{announce.ticket, std::string(objection)};
        link_->post(refuse);
        return;
    }
    announced_.push_back(std::move(announce));
    start_visits();
}

void OriginProxy::start_visits()
{
    while (!stopping_ && link_ != nullptr && !announced_.empty() && visitors_ < visitor_capacity_) {
        ++visitors_;
        tasks_.spawn("serving a visitor", serve(std::move(announced_.front()), link_->peer()));
        announced_.pop_front();
    }
}

awaitable<void> OriginProxy::serve(Announce announce, tcp::endpoint remote)
{
    using namespace asio::experimental::awaitable_operators;
    Visit visit{std::move(announce), Clock::now(), {}, {}, false, false, {}};
    // Neither throws. Side by side: the slower one decides how long the visitor waits.
    co_await (dial_origin_server(visit) && dial_back(visit, remote));
    if (visit.data && !visit.started)
        co_await conclude(visit);
    if (visit.failure.empty()) {
        relay(visit);
    } else {
        if (visit.origin_server)
            reset(*visit.origin_server);
        log_visitor_end(visit.announce.visitor, 0, 0, Clock::now() - visit.began, visit.failure);
        visitor_ended();
    }
}

// Says on the data connection what became of the origin server. A refusal that came on the control
// connection could be overtaken by the data connection's end, and the reason would be lost.
awaitable<void> OriginProxy::conclude(Visit& visit)
{
    Frame frame = Start();
    if (!visit.failure.empty())
        frame = Refuse{visit.announce.ticket, visit.failure};
    try {
        co_await send(*visit.data, encode(frame));
        if (!visit.failure.empty())
            allow_clean_close(visit.data->native_handle());
    } catch (const std::system_error& error) {
        if (visit.failure.empty())
            visit.failure = fmt::format("lost its data connection: {}", error.code().message());
    }
}

awaitable<void> OriginProxy::dial_origin_server(Visit& visit)
{
    const ControlConnection* const link = link_;
    try {
        auto socket = co_await origin_server_.dial();
        prepare_stream(socket.native_handle());
        visit.origin_server = std::move(socket);
    } catch (const std::system_error& error) {
        const std::string why =
            fmt::format("origin server {}: {}", to_string(options_.origin_server_address),
                        error.code().message());
        if (visit.failure.empty())
            visit.failure = why;
        if (!visit.presented && link_ == link && link_ != nullptr) {
            const Refuse refuse{visit.announce.ticket, why};
            link_->post(refuse);
        }
    }
}

awaitable<void> OriginProxy::dial_back(Visit& visit, tcp::endpoint remote)
{
    const ControlConnection* const link = link_;
    try {
        // The very address that the control connection has: behind the name there may be several
        // remote proxies, and the visitor is at this one.
        std::vector<tcp::endpoint> endpoints(1, remote);
        auto socket = co_await dial(std::move(endpoints), options_.dial_timeout);
        if (!visit.failure.empty())
            co_return;
        prepare_stream(socket.native_handle());
        const DialBack ticket{visit.announce.ticket};
        std::string hello(magic.begin(), magic.end());
        hello += encode(ticket);
        visit.presented = true;
        visit.started = visit.origin_server.has_value();
        if (visit.started)
            hello += encode(Start());
        co_await send(socket, std::move(hello));
        visit.data = std::move(socket);
    } catch (const std::system_error& error) {
        if (!visit.failure.empty())
            co_return;
        visit.failure = fmt::format("cannot connect to the remote proxy {}: {}", to_string(remote),
                                    error.code().message());
        if (!visit.presented && link_ == link && link_ != nullptr) {
            const Refuse refuse{visit.announce.ticket, visit.failure};
            link_->post(refuse);
        }
    }
}

void OriginProxy::relay(Visit& visit)
{
    Fd data = release(std::move(*visit.data));
    Fd origin_server = release(std::move(*visit.origin_server));
    relay_.hand_over(
        std::move(data), std::move(origin_server),
        [this, visitor = std::move(visit.announce.visitor), began = visit.began](const Flow& flow) {
            asio::post(io_, [this, visitor, began, flow] {
                log_visitor_end(visitor, flow.first_to_second, flow.second_to_first,
                                Clock::now() - began,
                                describe(flow.end, "remote side", "origin server"));
                visitor_ended();
            });
        });
}

void OriginProxy::visitor_ended()
{
    --visitors_;
    visitor_left_.notify();
    start_visits();
}

} // namespace tunnel
