#include "origin-proxy/link/data_dialler.hpp"

#include <utility>

#include "common/base/deadline.hpp"
#include "common/base/error.hpp"
#include "common/transport/socket.hpp"

namespace tunnel {

std::string Session::address() const
{
    return route ? to_string(route->remote) : to_string(remote);
}

DataDialler::DataDialler(asio::io_context& io, Clock::duration timeout, Congestion congestion)
    : io_(io),
      timeout_(timeout),
      congestion_(std::move(congestion)),
      context_(TlsContext::dials_with_key(false))
{
}

Dial DataDialler::begin(const Session& session) const
{
    return Dial(io_.get_executor(), {session.remote}, timeout_, congestion_, Hop::between);
}

awaitable<Channel> DataDialler::finish(Dial begun, Session session, RandomBytes once) const
{
    Dialled dialled = co_await begun.finish();
    send_without_delay(dialled.socket.get());
    keep_alive(dialled.socket.get());
    if (!session.framed)
        reset_on_close(dialled.socket.get());
    if (!session.encrypted && !session.route)
        co_return Channel(std::move(dialled.socket));
    tcp::socket socket(io_);
    socket.assign(session.remote.protocol(), dialled.socket.get());
    dialled.socket.release();
    if (session.route)
        co_await go_through(socket, *session.route, timeout_);
    if (!session.encrypted)
        co_return Channel(release(std::move(socket)));
    PresharedKey key = data_key(session.id, session.key.value(), once);
    Handshake handshake(context_, socket.native_handle(), std::move(key));
    const Deadline limit(socket, timeout_);
    try {
        co_await handshake.run(socket);
    } catch (const std::system_error& error) {
        if (limit.passed())
            throw std::system_error(asio::error::timed_out);
        // The log-in has shown that both know the secret and encrypt: it is this connection's own
        // key that the remote proxy has forgotten, and nothing in the options would help.
        if (error.code() == Errc::wrong_secret)
            throw std::system_error(make_error_code(Errc::no_such_data));
        if (error.code() == Errc::cut_short)
            throw std::system_error(make_error_code(Errc::closed_by_peer));
        throw;
    }
    co_return Channel(release(std::move(socket)), handshake.take());
}

} // namespace tunnel
