#include "origin-proxy/servers/origin_server.hpp"

#include "common/transport/unix_dial.hpp"
#include "common/transport/unix_dialer.hpp"

namespace tunnel {

namespace {

constexpr auto remembered_for = std::chrono::seconds(5);

} // namespace

std::optional<Dial> OriginServer::begin() const
{
    if (address_.is_unix()) {
        if (unix_dialer_in_use() != nullptr) // whose answer has to be waited for
            return std::nullopt;
        UnixAttempt attempt = try_unix(address_.unix_path);
        if (attempt.error)
            return std::nullopt;
        return Dial(Dialled{std::move(attempt.socket), {}});
    }
    return is_known() ? std::optional(dial_until(Clock::now() + dial_timeout_)) : std::nullopt;
}

bool OriginServer::is_known() const
{
    return !found_.empty() && Clock::now() < looked_up_ + remembered_for;
}

std::optional<tcp::endpoint> OriginServer::on_this_machine() const
{
    if (address_.is_unix() || !is_known())
        return std::nullopt;
    const auto endpoints = order_.arrange(found_);
    return is_loopback(endpoints.front()) ? std::optional(endpoints.front()) : std::nullopt;
}

awaitable<Fd> OriginServer::dial(std::optional<Dial> begun)
{
    if (!begun && address_.is_unix()) {
        Fd connected = co_await dial_unix(address_.unix_path, Clock::now() + dial_timeout_);
        co_return connected;
    }
    if (!begun) {
        const auto deadline = Clock::now() + dial_timeout_;
        co_await look_up();
        begun.emplace(dial_until(deadline));
    }
    std::optional<Dialled> dialled;
    try {
        dialled = co_await begun->finish();
    } catch (const std::system_error& error) {
        if (error.code() != asio::error::operation_aborted)
            order_.failed();
        throw;
    }
    order_.connected(dialled->peer);
    co_return std::move(dialled->socket);
}

awaitable<void> OriginServer::look_up()
{
    if (!found_.empty())
        looked_up_ = Clock::now(); // one visitor looks it up, the others take what is known
    try {
        // Half of the time, so that there is time to dial what is known already.
        auto found = co_await resolve(address_.tcp(), dial_timeout_ / (found_.empty() ? 1 : 2));
        found_ = std::move(found);
    } catch (const std::system_error& error) {
        // What was true a while ago is better than nothing while the name server is away.
        if (found_.empty() || error.code() == asio::error::operation_aborted)
            throw;
    }
    looked_up_ = Clock::now();
}

Dial OriginServer::dial_until(Clock::time_point deadline) const
{
    return Dial(executor_, order_.arrange(found_), deadline - Clock::now(), congestion_, Hop::edge);
}

} // namespace tunnel
