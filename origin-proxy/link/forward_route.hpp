// The way to a remote proxy through an HTTP or SOCKS5 proxy that leads out.
#pragma once

#include <memory>

#include "common/base/asio.hpp"
#include "common/transport/address.hpp"
#include "common/transport/forward_proxy.hpp"
#include "origin-proxy/options/connect_through.hpp"

namespace tunnel {

struct ForwardRoute {
    ForwardProxy proxy;
    Address remote; // as it is told: the proxy looks its name up

    friend bool operator==(const ForwardRoute&, const ForwardRoute&) = default;
};

// Shared by the connections that go this way. Null: straight to the remote proxy.
using Route = std::shared_ptr<const ForwardRoute>;

// As it is told.
Route route_to(const Address& remote, const ConnectThrough& through);

bool is_same_route(const Route& one, const Route& other);

// Asks the proxy at the other end of `socket` for a connection to the remote proxy. Then the socket
// is that connection, and no byte of it has been taken. `route` must outlive it. Throws
// std::system_error whose words name the proxy, and not its password: proxy_refused,
// proxy_login_refused, not_a_proxy, or timed_out at the limit, when the socket is closed.
awaitable<void> go_through(tcp::socket& socket, const ForwardRoute& route, Clock::duration limit);

// Throws the failure of a dial to the proxy itself, with its words.
[[noreturn]] void cannot_reach(const ForwardRoute& route, const std::system_error& error);

} // namespace tunnel
