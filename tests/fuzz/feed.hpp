// Bytes that come over a socket, in pieces, to a coroutine that reads them.
#pragma once

#include <array>
#include <string>

#include <sys/socket.h>

#include "common/base/asio.hpp"
#include "common/base/fd.hpp"
#include "common/transport/async_channel.hpp"
#include "tests/fuzz/input.hpp"

namespace tunnel::fuzz {

// Everything that can be received from `descriptor` without waiting.
inline std::string drain(int descriptor)
{
    std::string all;
    std::array<char, 4096> room{};
    for (;;) {
        const ssize_t size = ::recv(descriptor, room.data(), room.size(), MSG_DONTWAIT);
        if (size <= 0)
            return all;
        all.append(room.data(), static_cast<std::size_t>(size));
    }
}

// Runs `body`, a coroutine that is given the channel, until it has ended; answers with what it has
// not taken. A Unix socket does for TCP's: nothing that reads frames asks for its addresses.
template <class Body>
std::string feed(Pieces pieces, Body body)
{
    static asio::io_context io(1);
    std::array<int, 2> ends{};
    require(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) == 0, "a socket");
    AsyncChannel channel(tcp::socket(io, tcp::v4(), ends[0]));
    const Fd peer(ends[1]);
    bool ended = false;
    asio::co_spawn(io, body(channel), [&ended](const std::exception_ptr& thrown) {
        require(!thrown, "a reader throws nothing but std::system_error");
        ended = true;
    });
    io.restart();
    io.poll();
    while (!ended && !pieces.rest().empty()) {
        const std::string_view piece = pieces.next();
        require(::send(peer.get(), piece.data(), piece.size(), 0) ==
                    static_cast<ssize_t>(piece.size()),
                "there is room for a piece");
        io.restart();
        io.poll();
    }
    ::shutdown(peer.get(), SHUT_WR);
    io.restart();
    io.poll();
    require(ended, "a reader ends when its connection does");
    return drain(channel.socket().native_handle()).append(pieces.rest());
}

} // namespace tunnel::fuzz
