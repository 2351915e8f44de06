// Two connections joined by a relay.
#pragma once

#include <functional>
#include <future>

#include "common/relay/relay.hpp"
#include "tests/support/stream.hpp"

namespace tunnel::test {

// left <-> (first, second) <-> right
struct Joined {
    Stream left;
    Stream right;
    std::future<Flow> flow;
};

// As hand_over() asks for.
void prepare_for_relay(int descriptor, bool is_framed = false);

// Two connections whose inner ends are to be joined: left <-> first, second <-> right.
struct Ends {
    Connected one = connected();
    Connected two = connected();
    Fd first = one.there.release();
    Fd second = two.there.release();

    // What a test sees of them, once the inner ends have been given to somebody.
    Joined joined(std::future<Flow> flow = {})
    {
        return {std::move(one.here), std::move(two.here), std::move(flow)};
    }
};

// A pair that was handed over to `relay`.
Joined join(Relay& relay, Ends ends = Ends(), PairOptions options = {});

// Waits for the pair's end, ten seconds at most.
Flow end_of(Joined& joined);

// Sends `text` in pieces of random sizes.
void send_in_pieces(Stream& stream, const std::string& text, std::uint32_t seed);

// From the left to the right and back, at once, in pieces of random sizes; each side ends when it
// has sent all. Checks that both arrive unchanged and that the pair ends well. `told` is called
// when one has arrived, with how much.
void check_exchange(Joined& joined, const std::string& up, const std::string& down,
                    const std::function<void(std::size_t up, std::size_t down)>& told = {});

// Sends until the other end, which does not read, takes no more; answers how much that was.
std::size_t fill(Stream& stream);

// For a pair whose second channel carries frames.
PairOptions framed(FramedStream stream = {});

// One thread, no limits of time, no spinning.
RelayOptions plain_relay();

} // namespace tunnel::test
