#include "tests/support/stream.hpp"

#include <array>
#include <cerrno>
#include <filesystem>
#include <random>
#include <stdexcept>

#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "common/transport/socket.hpp"

namespace tunnel::test {

namespace {

constexpr int patience_seconds = 10;

[[noreturn]] void fail(const char* what)
{
    throw std::system_error(errno, std::system_category(), what);
}

bool poll_for(int descriptor, short events, std::chrono::milliseconds limit)
{
    pollfd poll{descriptor, events, 0};
    return ::poll(&poll, 1, static_cast<int>(limit.count())) > 0;
}

Fd open_socket(const tcp::endpoint& endpoint)
{
    Fd socket(::socket(endpoint.protocol().family(), SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!socket.is_open())
        fail("socket");
    return socket;
}

tcp::endpoint name_of(int descriptor)
{
    tcp::endpoint name;
    auto size = static_cast<socklen_t>(name.capacity());
    ::getsockname(descriptor, name.data(), &size);
    name.resize(size);
    return name;
}

} // namespace

Stream::Stream(Fd socket) : socket_(std::move(socket))
{
    const timeval limit{patience_seconds, 0};
    ::setsockopt(socket_.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    ::setsockopt(socket_.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    const int on = 1; // what is tested is the delay of the proxies, not ours
    ::setsockopt(socket_.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

Stream Stream::connect(const tcp::endpoint& endpoint)
{
    Stream stream(open_socket(endpoint));
    if (::connect(stream.descriptor(), endpoint.data(), static_cast<socklen_t>(endpoint.size())) !=
        0)
        fail("connect");
    return stream;
}

void Stream::send(std::string_view bytes)
{
    while (!bytes.empty()) {
        const ssize_t size = ::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (size < 0)
            fail("send");
        bytes.remove_prefix(static_cast<std::size_t>(size));
    }
}

void Stream::send(const Frame& frame)
{
    send(std::string_view(encode(frame)));
}

std::string Stream::receive(std::size_t size)
{
    std::string bytes(size, '\0');
    std::size_t have = 0;
    while (have < size) {
        const ssize_t got = ::recv(socket_.get(), bytes.data() + have, size - have, 0);
        if (got < 0)
            fail("receive");
        if (got == 0)
            throw std::runtime_error("the stream ended early");
        have += static_cast<std::size_t>(got);
    }
    return bytes;
}

std::string Stream::receive_all()
{
    std::string bytes;
    std::array<char, 65536> buffer;
    for (;;) {
        const ssize_t got = ::recv(socket_.get(), buffer.data(), buffer.size(), 0);
        if (got < 0)
            fail("receive");
        if (got == 0)
            return bytes;
        bytes.append(buffer.data(), static_cast<std::size_t>(got));
    }
}

Frame Stream::receive_frame()
{
    return frame_from([this](std::size_t size) { return receive(size); });
}

Frame frame_from(const std::function<std::string(std::size_t)>& receive)
{
    for (;;) {
        const std::string header_bytes = receive(FrameHeader::wire_size);
        const std::span<const std::uint8_t, FrameHeader::wire_size> header_span(
            reinterpret_cast<const std::uint8_t*>(header_bytes.data()), FrameHeader::wire_size);
        const FrameHeader header = decode_header(header_span).value();
        const std::string body = receive(header.body_size);
        Frame frame =
            decode(header.kind, {reinterpret_cast<const std::uint8_t*>(body.data()), body.size()})
                .value();
        if (!std::holds_alternative<Heartbeat>(frame))
            return frame;
    }
}

Ending Stream::ending(std::chrono::milliseconds limit)
{
    const auto deadline = Clock::now() + limit;
    std::array<char, 65536> buffer;
    for (;;) {
        const auto left =
            std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now());
        if (left.count() <= 0 || !poll_for(socket_.get(), POLLIN, left))
            return Ending::silence;
        const ssize_t got = ::recv(socket_.get(), buffer.data(), buffer.size(), 0);
        if (got == 0)
            return Ending::end_of_stream;
        if (got < 0)
            return Ending::reset;
    }
}

bool Stream::readable_within(std::chrono::milliseconds limit) const
{
    return poll_for(socket_.get(), POLLIN, limit);
}

void Stream::finish()
{
    ::shutdown(socket_.get(), SHUT_WR);
}

void Stream::reset()
{
    tunnel::reset(socket_);
}

tcp::endpoint Stream::local() const
{
    return name_of(socket_.get());
}

Server::Server() : Server(tcp::endpoint(asio::ip::address_v4::loopback(), 0)) {}

Server::Server(const tcp::endpoint& endpoint) : socket_(open_socket(endpoint))
{
    const int on = 1;
    ::setsockopt(socket_.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (::bind(socket_.get(), endpoint.data(), static_cast<socklen_t>(endpoint.size())) != 0)
        fail("bind");
    if (::listen(socket_.get(), 1024) != 0)
        fail("listen");
}

tcp::endpoint Server::endpoint() const
{
    return name_of(socket_.get());
}

Stream Server::accept()
{
    if (!pending_within(std::chrono::seconds(patience_seconds)))
        throw std::runtime_error("nobody connected");
    Fd socket(::accept4(socket_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!socket.is_open())
        fail("accept");
    return Stream(std::move(socket));
}

bool Server::pending_within(std::chrono::milliseconds limit) const
{
    return poll_for(socket_.get(), POLLIN, limit);
}

DeafServer::DeafServer() : socket_(open_socket(tcp::endpoint(tcp::v4(), 0)))
{
    const tcp::endpoint any(asio::ip::address_v4::loopback(), 0);
    if (::bind(socket_.get(), any.data(), static_cast<socklen_t>(any.size())) != 0)
        fail("bind");
    if (::listen(socket_.get(), 0) != 0)
        fail("listen");
    for (Fd& waiting :
         queue_) { // one is taken in, the others' SYNs are dropped like all that follow
        waiting = Fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
        const tcp::endpoint here = endpoint();
        ::connect(waiting.get(), here.data(), static_cast<socklen_t>(here.size()));
    }
}

tcp::endpoint DeafServer::endpoint() const
{
    return name_of(socket_.get());
}

Connected connected()
{
    Server server;
    Stream here = Stream::connect(server.endpoint());
    return {std::move(here), server.accept()};
}

Connected connected_unix()
{
    std::array<int, 2> ends{};
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0)
        fail("socketpair");
    return {Stream(Fd(ends[0])), Stream(Fd(ends[1]))};
}

std::string random_text(std::size_t size, std::uint32_t seed)
{
    std::mt19937 random(seed);
    std::string text(size, '\0');
    for (char& c : text)
        c = static_cast<char>(random());
    return text;
}

std::size_t open_descriptors()
{
    const std::filesystem::directory_iterator entries("/proc/self/fd");
    return static_cast<std::size_t>(std::distance(begin(entries), end(entries)));
}

} // namespace tunnel::test
