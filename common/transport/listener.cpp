#include "common/transport/listener.hpp"

#include <cerrno>
#include <utility>

#include <sys/socket.h>

#include "common/base/error.hpp"
#include "common/transport/cannot_listen.hpp"
#include "common/transport/socket.hpp"

namespace tunnel {

namespace {

constexpr int backlog = 4096; // the kernel lowers it to net.core.somaxconn

// SO_REUSEADDR is wanted for the connections that a former process left in TIME_WAIT, and only for
// them: two sockets that both carry it may be bound to one port while neither listens, and a shut
// listener must keep its port. So it is set while listening (accepted sockets inherit it, and with
// it their TIME_WAIT is no obstacle to the next process) and for a second try to bind.
std::error_code bind_exclusively(tcp::acceptor& acceptor, const tcp::endpoint& endpoint)
{
    std::error_code error;
    acceptor.bind(endpoint, error);
    if (error == asio::error::address_in_use) {
        acceptor.set_option(tcp::acceptor::reuse_address(true));
        acceptor.bind(endpoint, error);
        acceptor.set_option(tcp::acceptor::reuse_address(false));
    }
    return error;
}

std::error_code open_and_bind(tcp::acceptor& acceptor, const tcp::endpoint& endpoint)
{
    std::error_code error;
    acceptor.open(endpoint.protocol(), error);
    if (error)
        return error;
    if (endpoint.address().is_v6() && endpoint.address().is_unspecified())
        acceptor.set_option(asio::ip::v6_only(false), error); // IPv4 too, whatever the system's
                                                              // bindv6only says
    return bind_exclusively(acceptor, endpoint);
}

} // namespace

Listener::Listener(asio::io_context& io, const tcp::endpoint& endpoint,
                   const Congestion& congestion, Hop hop)
    : acceptor_(io), endpoint_(endpoint), congestion_(congestion), hop_(hop)
{
    std::error_code error = open_and_bind(acceptor_, endpoint);
    if (!error && endpoint.port() == 0) {
        // A port that the kernel chose is let go by shutdown(), one that was asked for is not: so
        // ask for the one it chose, while the first socket still holds it.
        tcp::acceptor chosen(std::move(acceptor_));
        chosen.set_option(tcp::acceptor::reuse_address(true));
        endpoint_ = chosen.local_endpoint();
        acceptor_ = tcp::acceptor(io);
        error = open_and_bind(acceptor_, endpoint_);
    }
    if (error)
        cannot_listen(error, to_string(endpoint), endpoint.port());
    prepare();
}

Listener::Listener(asio::io_context& io, Fd bound, const Congestion& congestion, Hop hop)
    : acceptor_(io), congestion_(congestion), hop_(hop)
{
    auto size = static_cast<socklen_t>(endpoint_.capacity());
    if (::getsockname(bound.get(), endpoint_.data(), &size) != 0)
        cannot_listen(last_error(), "a socket that was given", 0);
    endpoint_.resize(size);
    std::error_code error;
    acceptor_.assign(endpoint_.protocol(), bound.get(), error);
    if (error)
        cannot_listen(error, to_string(endpoint_), endpoint_.port());
    bound.release();
    shared_ = true;
    prepare();
}

void Listener::prepare()
{
    acceptor_.native_non_blocking(true);
    set_stream_options(acceptor_.native_handle());
    if (hop_ == Hop::edge)
        reset_on_close(acceptor_.native_handle());
    congestion_.prepare_listener(acceptor_.native_handle());
}

void Listener::open()
{
    if (open_ || closed_)
        return;
    if (paused_) { // it is another's for now
        open_ = true;
        return;
    }
    std::error_code error;
    acceptor_.set_option(tcp::acceptor::reuse_address(true));
    acceptor_.listen(backlog, error);
    if (error) {
        acceptor_.set_option(tcp::acceptor::reuse_address(false));
        cannot_listen(error, to_string(endpoint_), endpoint_.port());
    }
    open_ = true;
}

void Listener::shut()
{
    if (!open_)
        return;
    open_ = false;
    stop_listening();
}

void Listener::stop_listening()
{
    if (paused_ || shared_) // others may listen there
        return;
    // Keeps the port. It also wakes wait(), by EPOLLHUP.
    ::shutdown(acceptor_.native_handle(), SHUT_RDWR);
    acceptor_.set_option(tcp::acceptor::reuse_address(false));
}

void Listener::close()
{
    open_ = false;
    closed_ = true;
    std::error_code ignored;
    // Ends wait(). asio would leave it in its epoll when it closes it, which is wrong where another
    // process has the socket too.
    if (acceptor_.is_open())
        const Fd closed(acceptor_.release(ignored));
    if (resumed_)
        resumed_->notify();
}

void Listener::pause()
{
    if (closed_ || paused_)
        return;
    paused_ = true;
    ++pauses_; // it may be over before the one that waits has heard of it
    if (!resumed_)
        resumed_ = std::make_unique<Signal>(acceptor_.get_executor());
    std::error_code ignored;
    acceptor_.cancel(ignored);
}

void Listener::resume()
{
    if (closed_ || !std::exchange(paused_, false))
        return;
    std::error_code ignored; // it listens already, unless the other has stopped that
    if (open_)
        acceptor_.listen(backlog, ignored);
    else
        stop_listening();
    resumed_->notify();
}

void Listener::shut_unless_open()
{
    if (!open_ && !closed_)
        stop_listening();
}

awaitable<void> Listener::wait()
{
    while (!closed_) {
        if (paused_) {
            co_await resumed_->wait();
            continue;
        }
        std::error_code error;
        const std::uint64_t pauses = pauses_;
        co_await acceptor_.async_wait(tcp::acceptor::wait_read,
                                      redirect_error(use_awaitable, error));
        if (pauses != pauses_ && error == asio::error::operation_aborted)
            continue;
        if (error && !closed_) // the caller is cancelled
            throw std::system_error(error);
        co_return;
    }
}

std::optional<Listener::Accepted> Listener::accept(std::error_code& error)
{
    if (paused_) {
        error = std::make_error_code(std::errc::operation_would_block);
        return std::nullopt;
    }
    tcp::endpoint peer;
    auto size = static_cast<socklen_t>(peer.capacity());
    const int descriptor =
        ::accept4(acceptor_.native_handle(), peer.data(), &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (descriptor < 0) {
        error.assign(errno, std::system_category());
        return std::nullopt;
    }
    error.clear();
    peer.resize(size);
    congestion_.prepare_accepted(descriptor, peer, hop_);
    return Accepted{Fd(descriptor), peer};
}

Listener listener_at(asio::io_context& io, const tcp::endpoint& endpoint, GivenFor from,
                     const Congestion& congestion, Hop hop)
{
    if (auto socket = from.given.take(endpoint, from.use))
        return {io, std::move(*socket), congestion, hop};
    return {io, endpoint, congestion, hop};
}

std::string use_of_service(std::string_view service)
{
    return "service " + std::string(service);
}

bool concerns_one_connection(const std::error_code& error)
{
    return error == std::errc::connection_aborted || error == std::errc::interrupted ||
           error == std::errc::protocol_error;
}

} // namespace tunnel
