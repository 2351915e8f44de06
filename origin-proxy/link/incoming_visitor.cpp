#include "origin-proxy/link/incoming_visitor.hpp"

#include <new>
#include <utility>

#include <fmt/format.h>

#include "common/relay/describe.hpp"
#include "common/security/proof.hpp"
#include "common/transport/dial.hpp"
#include "common/transport/socket.hpp"
#include "origin-proxy/link/server_channel.hpp"

namespace tunnel {

namespace {

Reason failure_of(const Service& service, std::error_code error)
{
    return {code_of_origin_server(error),
            fmt::format("origin server {}: {}", to_string(service.options.origin_server_address),
                        error.message())};
}

} // namespace

Reason no_such_service()
{
    return {Code::no_such_service, "the origin proxy has no such service"};
}

std::string_view logged_name(std::string_view service)
{
    return service == default_service ? std::string_view() : service;
}

IncomingVisitor::IncomingVisitor(DataPlane& plane, Announce announce, Session session,
                                 std::uint64_t log_in, Clock::time_point began)
    : plane_(plane),
      announce_(std::move(announce)),
      session_(std::move(session)),
      log_in_(log_in),
      began_(began),
      service_(plane.services.find(announce_.service))
{
    if (!service_)
        failure_ = no_such_service();
}

awaitable<void> IncomingVisitor::connect(const OnFailure& on_failure)
{
    using namespace asio::experimental::awaitable_operators;
    on_failure_ = &on_failure;
    begin();
    // Beside the other: the slower one decides how long the visitor waits.
    Dial back = plane_.dialler.begin(session_);
    // Neither throws. What is decided already needs no waiting, and waiting for two has its price.
    const bool at_once = to_server_ && to_server_->decided() && back.decided();
    if (at_once) {
        co_await connect_server();
        co_await dial_back(std::move(back));
    } else {
        co_await (connect_server() && dial_back(std::move(back)));
    }
    if (data_.is_open() && !started_)
        conclude();
}

void IncomingVisitor::begin()
{
    if (auto begun = service_ ? service_->origin_server.begin() : std::nullopt)
        to_server_.emplace(std::move(*begun));
}

std::unique_ptr<LocalOpener> IncomingVisitor::local_opener() const
{
    const auto server = service_ ? service_->origin_server.on_this_machine() : std::nullopt;
    if (!server)
        return nullptr;
    return std::make_unique<LocalOpener>(LocalOpener::Visit{announce_, session_, log_in_, began_},
                                         *server, service_->origin_server.congestion(),
                                         service_->options.rules.proxy_protocol,
                                         plane_.counts.dials);
}

void IncomingVisitor::server_failed(std::error_code error)
{
    if (!service_) // withdrawn meanwhile, which is its failure by now
        return;
    ++plane_.counts.failed_dials;
    fail(failure_of(*service_, error));
}

bool IncomingVisitor::connect_server_at_once()
{
    if (!failure_.empty())
        return false;
    begin();
    auto connected = to_server_ ? to_server_->take_connected() : std::nullopt;
    if (!connected)
        return false;
    failure_ = prepare_server(std::move(connected->socket));
    return failure_.empty();
}

awaitable<void> IncomingVisitor::connect_server()
{
    if (!failure_.empty())
        co_return;
    Reason why;
    try {
        Fd socket = co_await service_->origin_server.dial(std::move(to_server_));
        why = prepare_server(std::move(socket));
    } catch (const std::system_error& error) {
        why = failure_of(*service_, error.code());
    } catch (const std::bad_alloc&) {
        why = {Code::failed, "the origin proxy has no memory left"};
    }
    if (why.empty())
        co_return;
    ++plane_.counts.failed_dials;
    if (fail(std::move(why)) && !presented_ && on_failure_ != nullptr)
        (*on_failure_)(*this);
}

// Answers what failed; empty: nothing.
Reason IncomingVisitor::prepare_server(Fd socket)
{
    plane_.counts.dials.observe(Clock::now() - began_);
    try {
        server_ = server_channel(std::move(socket), is_unix(),
                                 service_->options.rules.proxy_protocol, announce_);
        return {};
    } catch (const std::system_error& error) {
        return failure_of(*service_, error.code());
    }
}

awaitable<void> IncomingVisitor::dial_back(Dial begun)
{
    try {
        Channel data =
            co_await plane_.dialler.finish(std::move(begun), session_, announce_.ticket.bytes);
        if (!failure_.empty())
            co_return;
        DialBack ticket{announce_.ticket};
        if (session_.proves())
            ticket.proof = prove_dial_back(*session_.key, ticket.ticket);
        std::string hello(magic.begin(), magic.end());
        hello += encode(ticket);
        presented_ = true;
        started_ = server_.is_open();
        if (started_)
            hello += encode(Start());
        if (const std::error_code error = data.send_at_once(hello))
            throw std::system_error(error);
        data_ = std::move(data);
    } catch (const std::system_error& error) {
        // Also if it broke while the ticket was sent: the remote proxy may never have read it.
        const std::string why =
            fmt::format("cannot connect to the remote proxy {}: {}", session_.address(),
                        session_.route ? error.what() : error.code().message());
        if (fail({Code::data_connection_lost, why}))
            (*on_failure_)(*this);
    } catch (const std::bad_alloc&) {
        if (fail({Code::failed, "the origin proxy has no memory left"}))
            (*on_failure_)(*this);
    }
}

// Says on the data connection what became of the origin server. A refusal that came on the control
// connection could be overtaken by the data connection's end, and the reason would be lost.
void IncomingVisitor::conclude()
{
    Frame frame = Start();
    if (!failure_.empty())
        frame = Refuse{announce_.ticket, failure_.text, failure_.code};
    const std::error_code error = data_.send_at_once(encode(frame));
    if (!failure_.empty())
        allow_clean_close(data_.descriptor());
    else if (error)
        failure_ = {Code::data_connection_lost,
                    fmt::format("lost its data connection: {}", error.message())};
}

// Whether it is the first failure.
bool IncomingVisitor::fail(Reason why)
{
    if (!failure_.empty())
        return false;
    failure_ = std::move(why);
    return true;
}

PairLimits IncomingVisitor::limits() const
{
    PairLimits limits; // the origin server is the first
    Bandwidths& up = limits.second_to_first;
    Bandwidths& down = limits.first_to_second;
    add_limits(service_->options.rules.bandwidth.each, up, down);
    service_->bandwidth->add_to(up, down);
    plane_.bandwidth.add_to(up, down);
    return limits;
}

void IncomingVisitor::end_failed()
{
    reset(server_);
    log_visitor_end(announce_.visitor, 0, 0, Clock::now() - began_, failure_,
                    logged_name(announce_.service), Blame::origin_side);
}

} // namespace tunnel
