// What is seen of a pair while it lives, and wanted of it.
#include <doctest/doctest.h>

#include "tests/support/joined.hpp"

using namespace tunnel;
using namespace tunnel::test;

namespace {

Joined join(Relay& relay, PairView& view)
{
    Ends ends;
    auto promise = std::make_shared<std::promise<Flow>>();
    PairOptions options;
    options.view = &view;
    Fd first = std::move(ends.first);
    Fd second = std::move(ends.second);
    prepare_for_relay(first.get());
    prepare_for_relay(second.get());
    relay.hand_over(
        std::move(first), std::move(second),
        [promise](Flow& flow) { promise->set_value(std::move(flow)); }, std::move(options));
    return ends.joined(promise->get_future());
}

} // namespace

TEST_CASE("the bytes of a pair can be seen while it lives")
{
    PairView view;
    Relay relay(plain_relay());
    Joined joined = join(relay, view);
    joined.left.send("question");
    CHECK(joined.right.receive(8) == "question");
    joined.right.send("no");
    CHECK(joined.left.receive(2) == "no");
    CHECK(eventually([&view] { return view.first_to_second == 8 && view.second_to_first == 2; }));
    joined.left.finish();
    joined.right.finish();
    CHECK(end_of(joined).first_to_second == 8);
}

TEST_CASE("the bytes of a pair that are seen last are those that it had")
{
    PairView view;
    Relay relay(plain_relay());
    Joined joined = join(relay, view);
    check_exchange(joined, random_text(3 << 20, 1), random_text(1 << 20, 2));
    CHECK(view.first_to_second == 3u << 20);
    CHECK(view.second_to_first == 1u << 20);
}

TEST_CASE("pairs that are unwanted are reset, and no others")
{
    RelayOptions options = plain_relay();
    options.workers = 2;
    std::vector<PairView> views(6);
    Relay relay(options);
    std::vector<Joined> pairs;
    for (PairView& view : views)
        pairs.push_back(join(relay, view));
    for (std::size_t i = 0; i < views.size(); i += 2)
        views[i].unwanted = true;
    relay.end_unwanted();
    for (std::size_t i = 0; i < views.size(); ++i) {
        if (i % 2 == 0) {
            CHECK(pairs[i].left.ending() == Ending::reset);
            CHECK(end_of(pairs[i]).end == End::cut_off);
        } else {
            pairs[i].left.send("x");
            CHECK(pairs[i].right.receive(1) == "x");
        }
    }
}
