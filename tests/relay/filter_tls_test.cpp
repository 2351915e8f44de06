// A filter beside a first channel that is encrypted, as that of a visitor of https is.
#include <doctest/doctest.h>

#include <future>

#include "tests/relay/filtered.hpp"
#include "tests/support/secured.hpp"

using namespace std::chrono_literals;
using namespace tunnel;
using namespace tunnel::test;

namespace {

// left <-> (plain, TLS) <-> (TLS, filter, second) <-> peer
struct EncryptedFirst {
    explicit EncryptedFirst(Relay& its_relay, bool is_polite) : relay(its_relay)
    {
        Ends ends;
        prepare_for_relay(ends.first.get());
        prepare_for_relay(ends.second.get(), true);
        Secured pair = secured();
        relay.hand_over(std::move(ends.first), std::move(pair.dialled), [](Flow&) {});
        hand_over(std::move(pair.accepted), std::move(ends.second), is_polite);
        left = std::make_unique<Stream>(std::move(ends.one.here));
        peer = std::make_unique<Stream>(std::move(ends.two.here));
    }

    void hand_over(Channel first, Channel second, bool is_polite)
    {
        const auto promise = std::make_shared<std::promise<Flow>>();
        flow = promise->get_future();
        PairOptions options = framed();
        options.filter = std::make_unique<LineFilter>(LineFilter::Rules{.is_polite = is_polite},
                                                      std::make_shared<LineFilter::Seen>());
        relay.hand_over(
            std::move(first), std::move(second),
            [promise](Flow& ended) { promise->set_value(std::move(ended)); }, std::move(options));
    }

    Flow end()
    {
        REQUIRE(flow.wait_for(10s) == std::future_status::ready);
        return flow.get();
    }

    Relay& relay;
    std::unique_ptr<Stream> left;
    std::unique_ptr<Stream> peer;
    std::future<Flow> flow;
};

} // namespace

TEST_CASE("requests that came in one record wait decrypted, and pass one after the other")
{
    Relay relay(plain_relay());
    EncryptedFirst pair(relay, true);
    pair.left->send("1\n2\n3\n");
    for (const std::string line : {"1\n", "2\n", "3\n"}) {
        CHECK(pair.peer->receive(7) == data_frame("> " + line));
        CHECK_FALSE(pair.peer->readable_within(10ms));
        pair.peer->send(data_frame(line));
        CHECK(pair.left->receive(4) == "< " + line);
    }
    pair.left->finish();
    CHECK(pair.peer->receive(3) == end_frame); // though nothing was to be read
    pair.peer->send(data_frame("4\n") + end_frame);
    CHECK(pair.left->receive(4) == "< 4\n");
    CHECK(pair.end().second_has_ended);
}

TEST_CASE("an encrypted channel comes back with what was decrypted, and serves the next pair")
{
    Relay relay(plain_relay());
    EncryptedFirst pair(relay, false);
    pair.left->send("1\nstop\n2\nstop\n3\n");
    CHECK(pair.peer->receive(7) == data_frame("> 1\n"));
    Flow flow = pair.end();
    check_handed_back(flow);
    CHECK(flow.first.has_read_ahead());
    pair.hand_over(std::move(flow.first), std::move(flow.second), false);
    CHECK(pair.peer->receive(7) == data_frame("> 2\n"));
    flow = pair.end();
    check_handed_back(flow);
    pair.hand_over(std::move(flow.first), std::move(flow.second), false);
    CHECK(pair.peer->receive(7) == data_frame("> 3\n"));
    pair.peer->send(data_frame("a\n"));
    CHECK(pair.left->receive(4) == "< a\n");
}

TEST_CASE("large bodies pass between an encrypted channel and frames, both ways")
{
    Relay relay({.workers = 2});
    EncryptedFirst pair(relay, false);
    const std::string body = random_text(3'000'000, 1);
    const std::string head = "=3000000\n";
    auto up = std::async(std::launch::async, [&] { pair.left->send(head + body + "a\n"); });
    auto down = std::async(std::launch::async, [&] {
        pair.peer->send(data_frame(head));
        for (std::size_t at = 0; at < body.size(); at += 30'000)
            pair.peer->send(data_frame(body.substr(at, 30'000)));
        pair.peer->send(data_frame("b\n"));
    });
    auto seen = std::async(std::launch::async, [&] { return receive_until(*pair.peer, "> a\n"); });
    CHECK(pair.left->receive(head.size() + 2) == "< " + head);
    CHECK((pair.left->receive(body.size()) == body));
    CHECK(pair.left->receive(4) == "< b\n");
    up.get();
    down.get();
    CHECK((unframed(seen.get()) == "> " + head + body + "> a\n"));
    pair.left->send("stop\n");
    Flow flow = pair.end();
    check_handed_back(flow);
    CHECK(flow.second.is_open());
}
