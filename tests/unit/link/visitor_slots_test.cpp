// How remote proxies share the slots for visitors.
#include <doctest/doctest.h>

#include <optional>

#include "origin-proxy/link/visitor_slots.hpp"

using namespace tunnel;

namespace {

// Takes all that it can get; answers how many.
std::size_t fill(VisitorSlots::Share& share)
{
    std::size_t taken = 0;
    for (; share.is_free(); ++taken)
        share.take();
    return taken;
}

} // namespace

TEST_CASE("a remote proxy that is alone may fill all slots")
{
    for (const std::size_t capacity : {1, 2, 3, 1000}) {
        VisitorSlots slots(capacity);
        VisitorSlots::Share share(slots);
        CHECK(fill(share) == capacity);
        share.give_back();
        CHECK(fill(share) == 1);
    }
}

TEST_CASE("of several remote proxies none can take a slot that is reserved for another")
{
    VisitorSlots slots(100);
    VisitorSlots::Share greedy(slots);
    VisitorSlots::Share second(slots);
    VisitorSlots::Share third(slots);
    VisitorSlots::Share fourth(slots);
    VisitorSlots::Share fifth(slots);
    CHECK(fill(greedy) == 60); // half are reserved, 10 for each
    for (VisitorSlots::Share* const other : {&second, &third, &fourth, &fifth})
        CHECK(fill(*other) == 10);
    second.give_back();
    CHECK_FALSE(greedy.is_free());
    CHECK(second.is_free());
    greedy.give_back();
    CHECK(third.is_free()); // one that is reserved for nobody
}

TEST_CASE("where there are hardly any slots, one is reserved for each as long as they suffice")
{
    VisitorSlots slots(3);
    VisitorSlots::Share greedy(slots);
    VisitorSlots::Share second(slots);
    VisitorSlots::Share third(slots);
    CHECK(fill(greedy) == 1);
    CHECK(fill(second) == 1);
    CHECK(fill(third) == 1);
}

TEST_CASE("no more than all slots are taken, even if one filled them before others came")
{
    VisitorSlots slots(10);
    VisitorSlots::Share first(slots);
    CHECK(fill(first) == 10);
    VisitorSlots::Share second(slots);
    CHECK_FALSE(second.is_free());
    first.give_back();
    CHECK_FALSE(first.is_free()); // it has more than is reserved for it
    CHECK(fill(second) == 1);
    slots.set_capacity(5);
    for (int i = 0; i < 5; ++i)
        first.give_back();
    CHECK_FALSE(second.is_free());
    first.give_back();
    CHECK(second.is_free());
}

TEST_CASE("a share that is closed gets no visitors and reserves nothing, and its visitors count to "
          "their ends")
{
    VisitorSlots slots(8);
    VisitorSlots::Share open(slots);
    std::optional<VisitorSlots::Share> closed(std::in_place, slots);
    closed->take();
    closed->close();
    CHECK_FALSE(closed->is_free());
    CHECK(fill(open) == 7);
    closed->give_back();
    CHECK(fill(open) == 1);
    closed.reset();
    CHECK_FALSE(open.is_free());
}
