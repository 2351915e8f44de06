// A pair with a filter whose messages are lines.
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <future>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include <sys/socket.h>

#include "tests/support/joined.hpp"
#include "tests/support/line_filter.hpp"
#include "tests/support/stream_frames.hpp"

namespace tunnel::test {

// left <-> (first, filter, second) <-> peer
struct Filtered {
    Stream left;
    Stream peer;
    std::future<Flow> flow;
    std::shared_ptr<LineFilter::Seen> seen;

    Flow end()
    {
        REQUIRE(flow.wait_for(std::chrono::seconds(10)) == std::future_status::ready);
        return flow.get();
    }
};

struct How {
    std::optional<FramedStream> framed{};
    PairLimits limits{};
    std::string ahead{}; // of the left, which another reader has taken out already
};

inline Filtered filtered(Relay& relay, LineFilter::Rules rules = {}, How how = {})
{
    Connected one = connected();
    Connected two = connected();
    Channel first(one.there.release(), Tls(), how.ahead);
    Fd second = two.there.release();
    prepare_for_relay(first.descriptor());
    prepare_for_relay(second.get(), how.framed.has_value());
    const auto promise = std::make_shared<std::promise<Flow>>();
    const auto seen = std::make_shared<LineFilter::Seen>();
    PairOptions options;
    options.framed = std::move(how.framed);
    options.limits = std::move(how.limits);
    options.filter = std::make_unique<LineFilter>(std::move(rules), seen);
    relay.hand_over(
        std::move(first), std::move(second),
        [promise](Flow& flow) { promise->set_value(std::move(flow)); }, std::move(options));
    return {std::move(one.here), std::move(two.here), promise->get_future(), seen};
}

inline How in_frames(FramedStream stream = {})
{
    How how;
    how.framed = std::move(stream);
    return how;
}

// What is there of a channel that was handed back.
inline std::string next(Channel& channel)
{
    std::string bytes(1000, '\0');
    const ssize_t size = channel.receive(std::as_writable_bytes(std::span(bytes)));
    bytes.resize(static_cast<std::size_t>(std::max<ssize_t>(size, 0)));
    return bytes;
}

inline void check_handed_back(Flow& flow)
{
    CHECK(flow.end == End::handed_back);
    CHECK(flow.filter != nullptr);
    CHECK(flow.first.is_open());
}

// Both ends of a channel that was kept, and nothing on the way.
inline void check_works(Channel& channel, Stream& other)
{
    REQUIRE(channel.is_open());
    CHECK_FALSE(other.readable_within(std::chrono::milliseconds(0)));
    CHECK(channel.send_at_once("x") == std::error_code());
    CHECK(other.receive(1) == "x");
    other.send("y");
    CHECK(eventually([&] { return next(channel) == "y"; }));
}

// The stream in frames that come, as far as it is framed.
inline std::string unframed(std::string_view bytes)
{
    std::string stream;
    while (!bytes.empty()) {
        if (bytes.starts_with(raw_frame))
            return stream.append(bytes.substr(raw_frame.size()));
        REQUIRE(bytes.size() >= frame_header_size);
        const std::size_t size = static_cast<std::size_t>(static_cast<unsigned char>(bytes[0]))
                                     << 8 |
                                 static_cast<unsigned char>(bytes[1]);
        REQUIRE(bytes.size() >= size);
        stream.append(bytes.substr(frame_header_size, size - frame_header_size));
        bytes.remove_prefix(size);
    }
    return stream;
}

// All that comes until it ends like this.
inline std::string receive_until(Stream& stream, std::string_view ending)
{
    std::string all;
    std::array<char, 64 * 1024> room;
    while (!all.ends_with(ending)) {
        REQUIRE(stream.readable_within(std::chrono::seconds(10)));
        const ssize_t size = ::recv(stream.descriptor(), room.data(), room.size(), 0);
        REQUIRE(size > 0);
        all.append(room.data(), static_cast<std::size_t>(size));
    }
    return all;
}

} // namespace tunnel::test
