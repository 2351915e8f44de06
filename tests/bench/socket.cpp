#include "tests/bench/socket.hpp"

#include <arpa/inet.h>
#include <atomic>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdexcept>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <system_error>

namespace bench {
namespace {

const sockaddr* generic(const sockaddr_in& address)
{
    return reinterpret_cast<const sockaddr*>(&address);
}

void set(int socket, int level, int option, int value)
{
    ::setsockopt(socket, level, option, &value, sizeof value);
}

// One source address has 28,000 ports, each of which rests after use; connections at 20,000/s would
// measure the search for a free one.
void bind_to_next_source(int socket)
{
    static std::atomic<unsigned> next{0};
    sockaddr_in source{};
    source.sin_family = AF_INET;
    source.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1 + next++ % 8);
    set(socket, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1);
    ::bind(socket, generic(source), sizeof source);
}

} // namespace

sockaddr_in parse_target(const std::string& text)
{
    sockaddr_in target{};
    target.sin_family = AF_INET;
    const auto colon = text.rfind(':');
    const std::string host = text.substr(0, colon);
    std::uint16_t port = 0;
    if (colon == std::string::npos || inet_pton(AF_INET, host.c_str(), &target.sin_addr) != 1 ||
        std::from_chars(text.data() + colon + 1, text.data() + text.size(), port).ec != std::errc())
        throw std::invalid_argument(text + " is not an address such as 127.0.0.1:8000");
    target.sin_port = htons(port);
    return target;
}

Fd listen_on(sockaddr_in where, sockaddr_in& bound)
{
    Fd listener(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    set(listener.get(), SOL_SOCKET, SO_REUSEADDR, 1);
    socklen_t size = sizeof bound;
    if (::bind(listener.get(), generic(where), sizeof where) != 0 ||
        ::listen(listener.get(), 4096) != 0 ||
        ::getsockname(listener.get(), reinterpret_cast<sockaddr*>(&bound), &size) != 0)
        throw std::system_error(errno, std::generic_category(), "listen");
    return listener;
}

Fd start_connecting(const sockaddr_in& target)
{
    Fd socket(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (!socket.is_open())
        return socket;
    bind_to_next_source(socket.get());
    set_nodelay(socket.get());
    if (::connect(socket.get(), generic(target), sizeof target) != 0 && errno != EINPROGRESS)
        return {};
    return socket;
}

Fd connect_blocking(const sockaddr_in& target, std::chrono::seconds limit)
{
    Fd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!socket.is_open())
        return socket;
    set_nodelay(socket.get());
    set_blocking(socket.get(), limit);
    if (::connect(socket.get(), generic(target), sizeof target) != 0)
        return {};
    return socket;
}

void set_nodelay(int socket)
{
    set(socket, IPPROTO_TCP, TCP_NODELAY, 1);
}

void set_blocking(int socket, std::chrono::seconds limit)
{
    ::fcntl(socket, F_SETFL, ::fcntl(socket, F_GETFL) & ~O_NONBLOCK);
    const timeval value{.tv_sec = limit.count(), .tv_usec = 0};
    ::setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &value, sizeof value);
    ::setsockopt(socket, SOL_SOCKET, SO_SNDTIMEO, &value, sizeof value);
}

bool send_all(int socket, std::span<const char> bytes)
{
    while (!bytes.empty()) {
        const ssize_t sent = ::send(socket, bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (sent < 0)
            return false;
        bytes = bytes.subspan(static_cast<std::size_t>(sent));
    }
    return true;
}

bool receive_all(int socket, std::span<char> bytes)
{
    while (!bytes.empty()) {
        const ssize_t received = ::recv(socket, bytes.data(), bytes.size(), 0);
        if (received == 0)
            errno = 0;
        if (received <= 0)
            return false;
        bytes = bytes.subspan(static_cast<std::size_t>(received));
    }
    return true;
}

void prepare_process()
{
    std::signal(SIGPIPE, SIG_IGN);
    rlimit limit{};
    ::getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &limit);
}

} // namespace bench
