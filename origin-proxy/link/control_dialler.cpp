#include "origin-proxy/link/control_dialler.hpp"

#include <array>
#include <string>
#include <string_view>
#include <utility>

#include <sys/socket.h>

#include "common/base/deadline.hpp"
#include "common/base/error.hpp"
#include "common/protocol/foreign.hpp"
#include "common/protocol/wire.hpp"
#include "common/transport/dial.hpp"

namespace tunnel {

namespace {

// Waits for the first bytes of an answer in clear. Throws std::system_error if no remote proxy says
// that: a web server's answer could be taken for a frame of which the rest has not come yet.
awaitable<void> expect_frames(tcp::socket& socket)
{
    co_await socket.async_wait(tcp::socket::wait_read, use_awaitable);
    std::array<std::uint8_t, foreign_bytes> bytes{};
    const ssize_t size =
        ::recv(socket.native_handle(), bytes.data(), bytes.size(), MSG_PEEK | MSG_DONTWAIT);
    if (size <= 0) // the next read says what is wrong
        co_return;
    const std::string_view answer(reinterpret_cast<const char*>(bytes.data()),
                                  static_cast<std::size_t>(size));
    if (!may_begin_frames(answer))
        fail(make_error_code(Errc::not_our_protocol), not_a_remote_proxy(answer));
}

} // namespace

ControlDialler::ControlDialler(asio::io_context& io, Address address, Clock::duration timeout,
                               Congestion congestion, Route route)
    : io_(io),
      address_(std::move(address)),
      timeout_(timeout),
      congestion_(std::move(congestion)),
      route_(std::move(route))
{
}

void ControlDialler::take(Route route)
{
    route_ = std::move(route);
    order_ = AddressOrder();
}

awaitable<AsyncChannel> ControlDialler::dial()
{
    const Route route = route_; // a reload may change it meanwhile
    AsyncChannel channel = co_await reach(route);
    if (route)
        co_await go_through(channel.socket(), *route, timeout_);
    co_return std::move(channel);
}

// The remote proxy, or the forward proxy on the way to it.
awaitable<AsyncChannel> ControlDialler::reach(Route route)
{
    try {
        const auto found = co_await resolve(route ? route->proxy.address : address_, timeout_);
        Dial dial(io_.get_executor(), order_.arrange(found), timeout_, congestion_, Hop::between);
        co_return co_await connect(dial);
    } catch (const std::system_error& error) {
        if (!route || error.code() == asio::error::operation_aborted)
            throw;
        cannot_reach(*route, error);
    }
}

awaitable<AsyncChannel> ControlDialler::connect(Dial& dial)
{
    try {
        Dialled dialled = co_await dial.finish();
        order_.connected(dialled.peer);
        co_return AsyncChannel(io_, dialled.peer.protocol(), std::move(dialled.socket));
    } catch (const std::system_error& error) {
        if (error.code() != asio::error::operation_aborted)
            order_.failed();
        throw;
    }
}

awaitable<Agreed> ControlDialler::agree(AsyncChannel channel, const TrustedRemote& trust,
                                        LogIn log_in) const
{
    Agreed agreed{std::move(channel)};
    const Deadline limit(agreed.channel.socket(), timeout_);
    try {
        co_await agree_in_time(agreed, trust, log_in);
    } catch (const std::system_error&) {
        if (limit.passed())
            fail(asio::error::timed_out, "the remote proxy does not answer");
        throw;
    }
    co_return std::move(agreed);
}

awaitable<void> ControlDialler::agree_in_time(Agreed& agreed, const TrustedRemote& trust,
                                              LogIn& log_in) const
{
    const bool encrypts = trust.encrypts(); // as it is now, all along
    if (encrypts)
        agreed.session_key = co_await trust.shake_hands(agreed.channel);
    else if (trust.proves())
        trust.claim(log_in);
    std::string hello(magic.begin(), magic.end());
    hello += encode(log_in);
    co_await send(agreed.channel, std::move(hello));
    if (!encrypts)
        co_await expect_frames(agreed.channel.socket());
    if (log_in.claimed)
        agreed.session_key = co_await trust.answer_challenge(agreed.channel, log_in);
}

} // namespace tunnel
