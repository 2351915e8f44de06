#include "common/transport/socket.hpp"

#include <algorithm>
#include <array>
#include <cstdint>

#include <fmt/compile.h>
#include <fmt/format.h>
#include <linux/sock_diag.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

namespace tunnel {

namespace {

// Half a minute of silence, then 3 probes 10 s apart: a dead peer is noticed within a minute, and
// a NAT that forgets idle connections after a minute or more keeps them.
constexpr int keepalive_idle_seconds = 30;
constexpr int keepalive_interval_seconds = 10;
constexpr int keepalive_probes = 3;

void set_option(int descriptor, int level, int option, int value)
{
    ::setsockopt(descriptor, level, option, &value, sizeof value);
}

void set_linger(int descriptor, bool reset_on_close)
{
    const linger option{reset_on_close ? 1 : 0, 0};
    ::setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &option, sizeof option);
}

// Made for each visitor. inet_ntop(3), which asio uses, takes ten times as long.
std::string to_string(const asio::ip::address_v4& address, std::uint16_t port)
{
    const auto bytes = address.to_bytes();
    return fmt::format(FMT_COMPILE("{}.{}.{}.{}:{}"), bytes[0], bytes[1], bytes[2], bytes[3], port);
}

} // namespace

void keep_urgent_bytes(int descriptor)
{
    set_option(descriptor, SOL_SOCKET, SO_OOBINLINE, 1);
}

void send_without_delay(int descriptor)
{
    set_option(descriptor, IPPROTO_TCP, TCP_NODELAY, 1);
}

void keep_alive(int descriptor)
{
    set_option(descriptor, SOL_SOCKET, SO_KEEPALIVE, 1);
    set_option(descriptor, IPPROTO_TCP, TCP_KEEPIDLE, keepalive_idle_seconds);
    set_option(descriptor, IPPROTO_TCP, TCP_KEEPINTVL, keepalive_interval_seconds);
    set_option(descriptor, IPPROTO_TCP, TCP_KEEPCNT, keepalive_probes);
}

void set_stream_options(int descriptor)
{
    send_without_delay(descriptor);
    keep_urgent_bytes(descriptor);
    keep_alive(descriptor);
}

void reset_on_close(int descriptor)
{
    set_linger(descriptor, true);
}

void prepare_stream(int descriptor)
{
    set_stream_options(descriptor);
    reset_on_close(descriptor);
}

void allow_clean_close(int descriptor)
{
    set_linger(descriptor, false);
}

void reset(Fd& socket)
{
    if (socket.is_open()) {
        set_linger(socket.get(), true);
        socket.close();
    }
}

void reset(tcp::socket& socket)
{
    if (socket.is_open()) {
        set_linger(socket.native_handle(), true);
        std::error_code ignored;
        socket.close(ignored);
    }
}

Fd release(tcp::socket socket)
{
    return Fd(socket.release());
}

std::size_t room_in(int descriptor)
{
    std::array<std::uint32_t, SK_MEMINFO_VARS> memory{};
    auto size = static_cast<socklen_t>(sizeof memory);
    if (::getsockopt(descriptor, SOL_SOCKET, SO_MEMINFO, memory.data(), &size) != 0)
        return 0;
    const std::uint32_t most = memory[SK_MEMINFO_SNDBUF];
    // A TCP socket counts what waits in the former, a Unix socket in the latter.
    const std::uint32_t used =
        std::max(memory[SK_MEMINFO_WMEM_QUEUED], memory[SK_MEMINFO_WMEM_ALLOC]);
    return most - std::min(most, used);
}

std::string to_string(const tcp::endpoint& endpoint)
{
    const asio::ip::address address = endpoint.address();
    if (address.is_v4())
        return to_string(address.to_v4(), endpoint.port());
    const asio::ip::address_v6 v6 = address.to_v6();
    if (v6.is_v4_mapped())
        return to_string(asio::ip::make_address_v4(asio::ip::v4_mapped, v6), endpoint.port());
    return fmt::format("[{}]:{}", v6.to_string(), endpoint.port());
}

std::string peer_of(const tcp::socket& socket)
{
    std::error_code error;
    const tcp::endpoint peer = socket.remote_endpoint(error);
    return error ? "unknown" : to_string(peer);
}

} // namespace tunnel
