// What the targets of the relay's framing have in common.
#pragma once

#include <array>
#include <string>
#include <thread>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "common/base/fd.hpp"
#include "common/relay/direction.hpp"
#include "tests/fuzz/input.hpp"

namespace tunnel::fuzz {

// Two ends of one connection. A Unix socket does mostly, where there is nothing to wait for.
struct Connection {
    Connection()
    {
        std::array<int, 2> ends{};
        require(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends.data()) ==
                    0,
                "a socket");
        near = Channel(Fd(ends[0]));
        far = Channel(Fd(ends[1]));
    }

    // Over loopback, for what only TCP has. It ends with a reset, so no port waits behind it.
    static Connection over_tcp()
    {
        static const Fd listener = listening();
        sockaddr_in address{};
        socklen_t size = sizeof address;
        auto* const generic = reinterpret_cast<sockaddr*>(&address);
        ::getsockname(listener.get(), generic, &size);
        Connection connection;
        connection.far = Channel(Fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)));
        require(::connect(connection.far.descriptor(), generic, size) == 0, "a connection");
        connection.near =
            Channel(Fd(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK)));
        require(connection.near.is_open(), "its other end");
        const linger reset{1, 0};
        ::setsockopt(connection.far.descriptor(), SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
        const int on = 1;
        ::setsockopt(connection.far.descriptor(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        return connection;
    }

    // Lets so little wait in it that writers are held up.
    void make_narrow()
    {
        const int least = 1; // the kernel takes the smallest that it allows
        for (const int end : {near.descriptor(), far.descriptor()})
            ::setsockopt(end, SOL_SOCKET, SO_SNDBUF, &least, sizeof least);
    }

    // From the far end to the near one, where it is when this returns.
    void send(std::string_view piece)
    {
        const std::size_t wanted = unread() + piece.size();
        require(::send(far.descriptor(), piece.data(), piece.size(), 0) ==
                    static_cast<ssize_t>(piece.size()),
                "there is room for a piece");
        while (unread() < wanted)
            std::this_thread::yield();
    }

    // The far end has no more to send; the near one knows when this returns.
    void finish()
    {
        ::shutdown(far.descriptor(), SHUT_WR);
        pollfd end{near.descriptor(), POLLRDHUP, 0};
        require(::poll(&end, 1, 10'000) == 1, "an end arrives");
    }

    // What can be read at the near end.
    std::size_t unread() const
    {
        int size = 0;
        ::ioctl(near.descriptor(), FIONREAD, &size);
        return static_cast<std::size_t>(size);
    }

    Channel near;
    Channel far;

private:
    static Fd listening()
    {
        Fd listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        require(::bind(listener.get(), reinterpret_cast<const sockaddr*>(&address),
                       sizeof address) == 0 &&
                    ::listen(listener.get(), 1) == 0,
                "a listener");
        return listener;
    }
};

// The buffer and the pipes that a worker would lend. Small buffers make a stream raw and spliced
// early; the largest is the worker's.
class Lent {
public:
    explicit Lent(std::uint8_t choice)
    {
        constexpr std::array<std::size_t, 4> sizes{64 * 1024, 16, 100, 1024};
        size_ = sizes[choice % sizes.size()];
    }

    Means means() const { return {std::span(buffer()).first(size_), pipes(), {}}; }

private:
    static std::array<std::byte, 64 * 1024>& buffer()
    {
        static std::array<std::byte, 64 * 1024> bytes{};
        return bytes;
    }

    static PipePool& pipes()
    {
        static PipePool pool(2);
        return pool;
    }

    std::size_t size_;
};

} // namespace tunnel::fuzz
