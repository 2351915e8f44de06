#include "tests/support/secured.hpp"

#include <algorithm>
#include <stdexcept>

#include <sys/socket.h>

#include "common/transport/socket.hpp"
#include "tests/support/joined.hpp"
#include "tests/unit/io.hpp"

namespace tunnel::test {

namespace {

awaitable<void> run_one(Handshake& handshake, tcp::socket& socket, std::string& words,
                        std::error_code& code, int& running)
{
    try {
        co_await handshake.run(socket);
    } catch (const std::system_error& error) {
        words = error.what();
        code = error.code();
        std::error_code ignored;
        socket.close(ignored);
    }
    --running;
}

} // namespace

Shaken shake(asio::io_context& io, Handshake& dials, tcp::socket& dialled, Handshake& accepts,
             tcp::socket& accepted)
{
    Shaken shaken;
    int running = 2;
    const auto thrown = [](const std::exception_ptr& failure) {
        if (failure)
            std::rethrow_exception(failure);
    };
    asio::co_spawn(io, run_one(dials, dialled, shaken.dialled, shaken.dialled_code, running),
                   thrown);
    asio::co_spawn(io, run_one(accepts, accepted, shaken.accepted, shaken.accepted_code, running),
                   thrown);
    if (!run_until(io, [&] { return running == 0; }))
        throw std::runtime_error("the handshake did not end in time");
    return shaken;
}

PresharedKey some_key()
{
    PresharedKey key{"somebody", {}};
    const RandomBytes bytes = random_bytes();
    std::ranges::copy(bytes, key.key.bytes.begin());
    return key;
}

Handshake::FindKey knows(const PresharedKey& key)
{
    return [key](std::string_view identity) {
        return identity == key.identity ? std::optional(key.key) : std::nullopt;
    };
}

Secured secured(std::optional<int> buffers)
{
    asio::io_context io;
    SocketPair pair(io);
    static const TlsContext dials = TlsContext::dials_with_key(false);
    static const TlsContext accepts = TlsContext::accepts({}, {});
    const PresharedKey key = some_key();
    Handshake here(dials, pair.here.native_handle(), key);
    Handshake there(accepts, pair.there.native_handle(), knows(key));
    const Shaken shaken = shake(io, here, pair.here, there, pair.there);
    if (!shaken.dialled.empty() || !shaken.accepted.empty())
        throw std::runtime_error("no handshake: " + shaken.dialled + ", " + shaken.accepted);
    Secured result;
    result.dialled = Channel(release(std::move(pair.here)), here.take());
    result.accepted = Channel(release(std::move(pair.there)), there.take());
    for (const int socket : {result.dialled.descriptor(), result.accepted.descriptor()}) {
        prepare_for_relay(socket);
        if (buffers)
            ::setsockopt(socket, SOL_SOCKET, SO_SNDBUF, &*buffers, sizeof *buffers);
    }
    return result;
}

} // namespace tunnel::test
