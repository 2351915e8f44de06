#include "tests/support/joined.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>

#include <random>
#include <stdexcept>

#include <sys/socket.h>
#include <sys/time.h>

#include "common/transport/socket.hpp"

using namespace std::chrono_literals;

namespace tunnel::test {

void prepare_for_relay(int descriptor, bool is_framed)
{
    set_stream_options(descriptor);
    if (!is_framed)
        reset_on_close(descriptor);
    ::fcntl(descriptor, F_SETFL, ::fcntl(descriptor, F_GETFL) | O_NONBLOCK);
}

Joined join(Relay& relay, Ends ends, PairOptions options)
{
    prepare_for_relay(ends.first.get());
    prepare_for_relay(ends.second.get());
    const auto promise = std::make_shared<std::promise<Flow>>();
    relay.hand_over(
        std::move(ends.first), std::move(ends.second),
        [promise](Flow& flow) { promise->set_value(std::move(flow)); }, std::move(options));
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

void check_exchange(Joined& joined, const std::string& up, const std::string& down,
                    const std::function<void(std::size_t up, std::size_t down)>& told)
{
    auto sending_up = std::async(std::launch::async, [&] {
        send_in_pieces(joined.left, up, 3);
        joined.left.finish();
    });
    auto sending_down = std::async(std::launch::async, [&] {
        send_in_pieces(joined.right, down, 4);
        joined.right.finish();
    });
    auto received_down = std::async(std::launch::async, [&] {
        std::string all = joined.left.receive_all();
        if (told)
            told(0, all.size());
        return all;
    });
    CHECK((joined.right.receive_all() == up));
    if (told)
        told(up.size(), 0);
    CHECK((received_down.get() == down));
    const Flow flow = end_of(joined);
    CHECK(flow.end == End::finished);
    CHECK(flow.first_to_second == up.size());
    CHECK(flow.second_to_first == down.size());
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

PairOptions framed(FramedStream stream)
{
    PairOptions options;
    options.framed = std::move(stream);
    return options;
}

RelayOptions plain_relay()
{
    return {};
}

} // namespace tunnel::test
