// Pairs whose first channel is made by the relay's thread.
#include <doctest/doctest.h>

#include <future>
#include <thread>

#include "common/transport/socket.hpp"
#include "tests/support/joined.hpp"
#include "tests/support/stream_frames.hpp"

using namespace std::chrono_literals;
using namespace tunnel;
using namespace tunnel::test;

namespace {

class GivenOpener : public Opener {
public:
    GivenOpener(Channel channel, std::thread::id& thread)
        : channel_(std::move(channel)), thread_(thread)
    {
    }

    Channel open() override
    {
        thread_ = std::this_thread::get_id();
        return std::move(channel_);
    }

private:
    Channel channel_;
    std::thread::id& thread_;
};

struct PairWithOpener {
    PairWithOpener(Relay& relay, bool can_be_opened)
    {
        prepare_for_relay(ends.first.get());
        prepare_for_relay(ends.second.get(), true);
        auto options = framed({.unsent = start_frame, .unsent_may_wait = true});
        options.opener = std::make_unique<GivenOpener>(
            can_be_opened ? Channel(std::move(ends.first)) : Channel(), thread);
        const auto promise = std::make_shared<std::promise<Flow>>();
        flow = promise->get_future();
        relay.hand_over(
            Channel(), std::move(ends.second),
            [promise](Flow& its) { promise->set_value(std::move(its)); }, std::move(options));
    }

    Flow end()
    {
        REQUIRE(flow.wait_for(10s) == std::future_status::ready);
        return flow.get();
    }

    Ends ends;
    std::thread::id thread;
    std::future<Flow> flow;
    Stream& server = ends.one.here;
    Stream& peer = ends.two.here;
};

} // namespace

TEST_CASE("the thread that serves a pair makes its first channel")
{
    Relay relay(plain_relay());
    PairWithOpener pair(relay, true);
    pair.peer.send(data_frame("question") + end_frame);
    CHECK(pair.server.receive_all() == "question");
    pair.server.send("answer");
    pair.server.finish();
    const std::string answer = start_frame + data_frame("answer") + end_frame;
    CHECK(pair.peer.receive(answer.size()) == answer);
    Flow flow = pair.end();
    CHECK(flow.end == End::finished);
    CHECK(flow.second.is_open());
    CHECK(flow.opener == nullptr);
    CHECK(pair.thread != std::this_thread::get_id());
}

TEST_CASE("nothing is done with the second channel of a pair whose first cannot be made")
{
    for (const bool lent : {false, true}) {
        CAPTURE(lent);
        Relay relay({.lent_thread = lent});
        PairWithOpener pair(relay, false);
        Flow flow = pair.end();
        CHECK(flow.end == End::not_opened);
        CHECK(flow.opener != nullptr);
        REQUIRE(flow.second.is_open());
        Stream again(flow.second.release());
        again.send("x"); // no start went out before
        CHECK(pair.peer.receive(1) == "x");
        CHECK(relay.live() == 0);
    }
}
