#include "origin-proxy/origin_server.hpp"

#include <algorithm>

#include "common/net/dial.hpp"

namespace tunnel {

namespace {

constexpr auto remembered_for = std::chrono::seconds(5);

} // namespace

awaitable<tcp::socket> OriginServer::dial()
{
    const auto deadline = Clock::now() + dial_timeout_;
    if (endpoints_.empty() || Clock::now() >= looked_up_ + remembered_for) {
        if (!endpoints_.empty())
            looked_up_ = Clock::now(); // one visitor looks it up, the others take what is known
        try {
            // Half of the time, so that there is time to dial what is known already.
            auto found = co_await resolve(address_, dial_timeout_ / (endpoints_.empty() ? 1 : 2));
            endpoints_ = std::move(found);
        } catch (const std::system_error& error) {
            // What was true a while ago is better than nothing while the name server is away.
            if (endpoints_.empty() || error.code() == asio::error::operation_aborted)
                throw;
        }
        looked_up_ = Clock::now();
    }
    auto socket = co_await tunnel::dial(endpoints_, deadline - Clock::now());
    std::error_code ignored;
    const auto good = std::ranges::find(endpoints_, socket.remote_endpoint(ignored));
    if (good != endpoints_.end())
        std::rotate(endpoints_.begin(), good, good + 1);
    co_return std::move(socket);
}

} // namespace tunnel
