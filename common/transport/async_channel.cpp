#include "common/transport/async_channel.hpp"

#include "common/transport/socket.hpp"

namespace tunnel {

AsyncChannel::AsyncChannel(asio::io_context& io, const tcp& protocol, Channel channel)
    : socket_(io, protocol, channel.socket_.get()),
      tls_(channel.take_tls()),
      read_ahead_(channel.take_read_ahead())
{
    channel.socket_.release();
}

Channel AsyncChannel::release()
{
    return {tunnel::release(std::move(socket_)), std::move(tls_), std::exchange(read_ahead_, {})};
}

} // namespace tunnel
