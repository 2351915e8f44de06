// Urgent data in a stream. splice(2) stops before it and answers what it answers at the end of a
// stream, or for an empty socket; recv(2) also reads no further in one call.
#include <doctest/doctest.h>

#include <array>
#include <optional>
#include <string>

#include <fcntl.h>
#include <sys/socket.h>

#include "common/relay/pair.hpp"
#include "tests/support/joined.hpp"
#include "tests/support/secured.hpp"
#include "tests/support/stream_frames.hpp"
#include "tests/support/urgent.hpp"

using namespace std::chrono_literals;
using namespace tunnel;
using namespace tunnel::test;

namespace {

// left <-> one relay, or two in a row <-> right
struct Passage {
    Stream left;
    Stream right;
    std::vector<std::future<Flow>> flows{};

    void check_finished()
    {
        for (std::future<Flow>& flow : flows) {
            REQUIRE(flow.wait_for(10s) == std::future_status::ready);
            CHECK(flow.get().end == End::finished);
        }
    }
};

void hand_over_to(Relay& relay, Passage& passage, Channel first, Channel second,
                  PairOptions options = {})
{
    const auto promise = std::make_shared<std::promise<Flow>>();
    passage.flows.push_back(promise->get_future());
    relay.hand_over(
        std::move(first), std::move(second),
        [promise](Flow& flow) { promise->set_value(std::move(flow)); }, std::move(options));
}

// Wants to see as much as it may before it decides.
Beginning undecided_for_long(std::string_view first)
{
    return first.size() < guarded_bytes ? Beginning::undecided : Beginning::allowed;
}

PairOptions guarded_options()
{
    PairOptions options;
    options.guard = undecided_for_long;
    return options;
}

PairOptions limited_options()
{
    const auto limit =
        std::make_shared<Bandwidth>(std::uint64_t{100'000'000}, Bandwidth::Use::shared);
    PairOptions options;
    options.limits.first_to_second = {limit};
    options.limits.second_to_first = {limit};
    return options;
}

Passage through_one(Relay& relay, PairOptions options = {}, Connected one = connected())
{
    Ends ends{std::move(one)};
    prepare_for_relay(ends.first.get());
    prepare_for_relay(ends.second.get());
    Passage passage{std::move(ends.one.here), std::move(ends.two.here)};
    hand_over_to(relay, passage, std::move(ends.first), std::move(ends.second), std::move(options));
    return passage;
}

// The first of the two waits for the other's start if `awaits_start`, as in the remote proxy.
Passage through_two(Relay& relay, Channel here, Channel there, bool awaits_start = false,
                    PairOptions options = {})
{
    Ends ends;
    prepare_for_relay(ends.first.get());
    prepare_for_relay(ends.second.get());
    Passage passage{std::move(ends.one.here), std::move(ends.two.here)};
    options.framed = FramedStream{.awaits_start = awaits_start};
    hand_over_to(relay, passage, std::move(ends.first), std::move(here), std::move(options));
    hand_over_to(relay, passage, std::move(ends.second), std::move(there),
                 framed({.unsent = awaits_start ? start_frame : std::string()}));
    return passage;
}

Passage through_frames(Relay& relay, bool awaits_start = false, PairOptions options = {})
{
    Ends between;
    prepare_for_relay(between.first.get());
    Fd other = between.one.here.release();
    prepare_for_relay(other.get());
    return through_two(relay, std::move(between.first), std::move(other), awaits_start,
                       std::move(options));
}

Passage through_tls(Relay& relay, bool awaits_start = false, PairOptions options = {})
{
    Secured pair = secured();
    return through_two(relay, std::move(pair.dialled), std::move(pair.accepted), awaits_start,
                       std::move(options));
}

struct Way {
    std::string_view name;
    Passage (*open)(Relay& relay);
};

constexpr std::array ways{
    Way{"plain", [](Relay& relay) { return through_one(relay); }},
    Way{"under a limit", [](Relay& relay) { return through_one(relay, limited_options()); }},
    Way{"guarded", [](Relay& relay) { return through_one(relay, guarded_options()); }},
    Way{"beside a Unix socket",
        [](Relay& relay) { return through_one(relay, {}, connected_unix()); }},
    Way{"in frames", [](Relay& relay) { return through_frames(relay); }},
    Way{"in frames, sent ahead", [](Relay& relay) { return through_frames(relay, true); }},
    Way{"in frames, guarded and sent ahead",
        [](Relay& relay) { return through_frames(relay, true, guarded_options()); }},
    Way{"in frames, limited and sent ahead",
        [](Relay& relay) { return through_frames(relay, true, limited_options()); }},
    Way{"encrypted", [](Relay& relay) { return through_tls(relay); }},
    Way{"encrypted, sent ahead", [](Relay& relay) { return through_tls(relay, true); }},
    Way{"encrypted, limited and guarded",
        [](Relay& relay) {
            PairOptions options = limited_options();
            options.guard = undecided_for_long;
            return through_tls(relay, true, std::move(options));
        }},
};

// Linux knows it since 5.15, if it was built so.
bool unix_sockets_have_urgent_data()
{
    Connected pair = connected_unix();
    return ::send(pair.here.descriptor(), "!", 1, MSG_OOB | MSG_NOSIGNAL) == 1;
}

bool can_be_tried(const Way& way)
{
    return way.name.find("Unix") == std::string_view::npos || unix_sockets_have_urgent_data();
}

// What each end of the passage receives when both play at once: first what the left does.
std::pair<std::string, std::string> play(Passage& passage, const UrgentScript& up,
                                         const UrgentScript& down)
{
    auto sending_up = std::async(std::launch::async, [&] { up.play(passage.left); });
    auto sending_down = std::async(std::launch::async, [&] { down.play(passage.right); });
    auto at_left = std::async(std::launch::async, [&] { return passage.left.receive_all(); });
    std::string at_right = passage.right.receive_all();
    sending_up.get();
    sending_down.get();
    return {at_left.get(), std::move(at_right)};
}

} // namespace

TEST_CASE("random streams with urgent bytes arrive whole and in order, both ways, on every way")
{
    for (const std::size_t pipes : {2U, 0U}) {
        Relay relay({.workers = 2, .spin = 20us, .pipes = pipes});
        std::mt19937 random(51);
        for (const Way& way : ways) {
            if (!can_be_tried(way))
                continue;
            CAPTURE(way.name);
            CAPTURE(pipes);
            for (int round = 0; round < 12; ++round) {
                CAPTURE(round);
                const std::size_t most =
                    std::array<std::size_t, 4>{20, 2000, 200'000, 2'000'000}[random() % 4];
                const UrgentScript up(random, most);
                const UrgentScript down(random, most);
                Passage passage = way.open(relay);
                CHECK((play(passage, up, down) == std::pair(down.text(), up.text())));
                passage.check_finished();
            }
        }
    }
}

TEST_CASE(
    "an urgent byte anywhere in a stream hides nothing behind it, while it stays open or ends")
{
    Relay relay(plain_relay());
    constexpr std::size_t kib = 1024;
    // How much is before it: nothing, a little, and around the sizes of buffers and pipes.
    constexpr std::array<std::size_t, 12> places{0,
                                                 1,
                                                 15,
                                                 16,
                                                 64 * kib - 1,
                                                 64 * kib,
                                                 64 * kib + 1,
                                                 128 * kib,
                                                 1024 * kib - 1,
                                                 1024 * kib,
                                                 1024 * kib + 1,
                                                 3000 * kib};
    for (const Way& way : ways) {
        if (!can_be_tried(way))
            continue;
        CAPTURE(way.name);
        for (const std::size_t before : places) {
            CAPTURE(before);
            for (const bool upwards : {true, false}) {
                CAPTURE(upwards);
                Passage passage = way.open(relay);
                Stream& sender = upwards ? passage.left : passage.right;
                Stream& receiver = upwards ? passage.right : passage.left;
                const std::string text = random_text(before, 1);
                auto receiving =
                    std::async(std::launch::async, [&] { return receiver.receive(before + 20); });
                sender.send(text);
                send_urgent(sender, "!");
                // Several in a row, and one at a time; enough for a guard to decide.
                for (const char* const more : {"a", "b", "c", "and some more, "})
                    send_urgent(sender, more);
                sender.send("?");
                CHECK((receiving.get() == text + "!abcand some more, ?"));
                sender.send(text); // and it goes on at its full speed
                send_urgent(sender, "#");
                sender.finish();
                CHECK((receiver.receive_all() == text + "#"));
                receiver.send("answer");
                receiver.finish();
                CHECK(sender.receive_all() == "answer");
                passage.check_finished();
            }
        }
    }
}

TEST_CASE("a stream of nothing but a few urgent bytes arrives on every way")
{
    Relay relay(plain_relay());
    for (const Way& way : ways) {
        if (!can_be_tried(way))
            continue;
        CAPTURE(way.name);
        for (const std::size_t count : {1U, 2U, 15U, 40U}) {
            CAPTURE(count);
            Passage passage = way.open(relay);
            const std::string text = random_text(count, 3);
            for (const char c : text)
                send_urgent(passage.left, {&c, 1});
            passage.left.finish();
            CHECK(passage.right.receive_all() == text);
            passage.right.finish();
            passage.check_finished();
        }
    }
}

TEST_CASE("a stream with urgent bytes that is cut looks cut on every way")
{
    Relay relay(plain_relay());
    std::mt19937 random(52);
    for (const Way& way : ways) {
        if (way.name.find("Unix") != std::string_view::npos)
            continue; // which knows no reset
        CAPTURE(way.name);
        for (int round = 0; round < 10; ++round) {
            Passage passage = way.open(relay);
            Stream& cutting = round % 2 == 0 ? passage.left : passage.right;
            Stream& other = round % 2 == 0 ? passage.right : passage.left;
            cutting.send(std::string(random() % 300'000, 'x'));
            send_urgent(cutting, "!");
            cutting.send(std::string(random() % 300'000, 'x'));
            cutting.reset();
            CHECK(other.ending() == Ending::reset);
        }
    }
}

TEST_CASE("what splice() says at a mark of urgent data is neither an end nor an empty socket")
{
    PipePool pool(1);
    Connected from = connected();
    Connected to = connected();
    prepare_for_relay(from.there.descriptor());
    prepare_for_relay(to.here.descriptor());
    Channel source(from.there.release());
    Channel target(to.here.release());
    std::vector<std::byte> buffer(encrypted_piece);
    Direction direction;
    const auto pump = [&] {
        direction.can_read();
        return direction.pump(source, target, {buffer, pool, {}}, 1 << 20);
    };
    const std::string text = random_text(200'000, 1);
    std::string expected = text;
    from.here.send(text);
    REQUIRE(eventually([&] {
        pump();
        return direction.bytes() == text.size(); // and it splices now
    }));
    bool ends = false;
    SUBCASE("while the stream is open")
    {
        direction.saw_urgent_data(); // as epoll tells
    }
    SUBCASE("when it has ended, whether epoll has told of urgent data or not")
    {
        ends = true;
    }
    from.here.send("before");
    send_urgent(from.here, "!");
    from.here.send(text);
    expected += "before!" + text;
    if (ends)
        from.here.finish();
    CHECK(eventually([&] {
        const Progress progress = pump();
        return progress == Progress::finished || (!ends && direction.bytes() == expected.size());
    }));
    CHECK(direction.bytes() == expected.size());
    CHECK((to.there.receive(expected.size()) == expected));
    CHECK(direction.finished() == ends);
    CHECK(pool.lent() == 0);
}

TEST_CASE("a guard sees what stands behind marks of urgent data, however many there are")
{
    static constexpr std::string_view bad = "BAD WORDS";
    const Guard no_bad_words = [](std::string_view first) {
        if (first.starts_with(bad))
            return Beginning::forbidden;
        return bad.starts_with(first) ? Beginning::undecided : Beginning::allowed;
    };
    Relay relay(plain_relay());
    for (const bool awaits_start : {false, true}) {
        CAPTURE(awaits_start);
        for (const bool forbidden : {true, false}) {
            CAPTURE(forbidden);
            PairOptions options;
            options.guard = no_bad_words;
            Passage passage = through_frames(relay, awaits_start, std::move(options));
            const std::string text = forbidden ? "BAD WORDS, behind marks" : "BAD WORD, only one";
            passage.left.send(text.substr(0, 2));
            for (const char c : text.substr(2, 6))
                send_urgent(passage.left, {&c, 1});
            // What was taken to look behind a mark is not passed on before all is decided.
            CHECK_FALSE(passage.right.readable_within(20ms));
            passage.left.send(text.substr(8));
            if (forbidden) {
                CHECK(passage.left.ending() == Ending::reset);
                CHECK_FALSE(passage.right.ending() == Ending::end_of_stream);
                REQUIRE(passage.flows.front().wait_for(10s) == std::future_status::ready);
                const Flow flow = passage.flows.front().get();
                CHECK(flow.end == End::forbidden);
                CHECK(flow.first_to_second == 0);
            } else {
                CHECK(passage.right.receive(text.size()) == text); // though it stays open
            }
        }
    }
}
