#include "origin-proxy/link/server_channel.hpp"

#include <string>
#include <system_error>
#include <utility>

#include "common/transport/socket.hpp"
#include "origin-proxy/servers/visitor_header.hpp"

namespace tunnel {

Channel server_channel(Fd socket, bool is_unix, ProxyProtocol header, const Announce& announce)
{
    if (!is_unix)
        send_without_delay(socket.get());
    reset_on_close(socket.get());
    Channel server(std::move(socket));
    const std::string first = visitor_header(header, announce);
    if (first.empty())
        return server;
    if (const std::error_code error = server.send_at_once(first))
        throw std::system_error(error);
    return server;
}

} // namespace tunnel
