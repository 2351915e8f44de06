#include "tests/support/joined.hpp"

#include <fcntl.h>

#include <random>
#include <stdexcept>

#include <sys/socket.h>
#include <sys/time.h>

#include "common/net/socket.hpp"

using namespace std::chrono_literals;

namespace tunnel::test {

void prepare_for_relay(int descriptor)
{
    prepare_stream(descriptor);
    ::fcntl(descriptor, F_SETFL, ::fcntl(descriptor, F_GETFL) | O_NONBLOCK);
}

Joined join(Relay& relay, Ends ends)
{
    prepare_for_relay(ends.first.get());
    prepare_for_relay(ends.second.get());
    const auto promise = std::make_shared<std::promise<Flow>>();
    relay.hand_over(std::move(ends.first), std::move(ends.second),
                    [promise](Flow& flow) { promise->set_value(std::move(flow)); });
    return ends.joined(promise->get_future());
}

Flow end_of(Joined& joined)
{
    if (joined.flow.wait_for(10s) != std::future_status::ready)
        throw std::runtime_error("the pair did not end");
    return joined.flow.get();
}

void send_in_pieces(Stream& stream, const std::string& text, std::uint32_t seed)
{
    std::mt19937 random(seed);
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t size = std::min<std::size_t>(1 + random() % 200'000, text.size() - at);
        stream.send(std::string_view(text).substr(at, size));
        at += size;
    }
}

std::size_t fill(Stream& stream)
{
    const timeval limit{0, 200'000};
    ::setsockopt(stream.descriptor(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    const std::string block(1 << 20, 'x');
    std::size_t sent = 0;
    for (;;) {
        const ssize_t size = ::send(stream.descriptor(), block.data(), block.size(), MSG_NOSIGNAL);
        if (size < 0)
            return sent;
        sent += static_cast<std::size_t>(size);
    }
}

RelayOptions plain_relay()
{
    return {};
}

} // namespace tunnel::test
