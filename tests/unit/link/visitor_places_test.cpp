// How remote proxies divide what there is for visitors.
#include <doctest/doctest.h>

#include <optional>

#include "origin-proxy/link/visitor_places.hpp"

using namespace tunnel;

namespace {

// Takes all that it can get; answers how many.
std::size_t fill(VisitorPlaces::Part& part)
{
    std::size_t taken = 0;
    for (; part.is_free(); ++taken)
        part.take();
    return taken;
}

} // namespace

TEST_CASE("a remote proxy that is alone may fill all places")
{
    for (const std::size_t capacity : {1, 2, 3, 1000}) {
        VisitorPlaces places(capacity);
        VisitorPlaces::Part part(places);
        CHECK(fill(part) == capacity);
        part.give_back();
        CHECK(fill(part) == 1);
    }
}

TEST_CASE("of several remote proxies none can take what is kept for another")
{
    VisitorPlaces places(100);
    VisitorPlaces::Part greedy(places);
    VisitorPlaces::Part second(places);
    VisitorPlaces::Part third(places);
    VisitorPlaces::Part fourth(places);
    VisitorPlaces::Part fifth(places);
    CHECK(fill(greedy) == 60); // a half is kept, 10 for each
    for (VisitorPlaces::Part* const other : {&second, &third, &fourth, &fifth})
        CHECK(fill(*other) == 10);
    second.give_back();
    CHECK_FALSE(greedy.is_free());
    CHECK(second.is_free());
    greedy.give_back();
    CHECK(third.is_free()); // of those that are kept for nobody
}

TEST_CASE("where there are hardly any places, one is kept for each as long as they suffice")
{
    VisitorPlaces places(3);
    VisitorPlaces::Part greedy(places);
    VisitorPlaces::Part second(places);
    VisitorPlaces::Part third(places);
    CHECK(fill(greedy) == 1);
    CHECK(fill(second) == 1);
    CHECK(fill(third) == 1);
}

TEST_CASE("more than all places are never taken, also where somebody had them before others came")
{
    VisitorPlaces places(10);
    VisitorPlaces::Part first(places);
    CHECK(fill(first) == 10);
    VisitorPlaces::Part second(places);
    CHECK_FALSE(second.is_free());
    first.give_back();
    CHECK_FALSE(first.is_free()); // it has more than is kept for it
    CHECK(fill(second) == 1);
    places.set_capacity(5);
    for (int i = 0; i < 5; ++i)
        first.give_back();
    CHECK_FALSE(second.is_free());
    first.give_back();
    CHECK(second.is_free());
}

TEST_CASE("for a remote proxy that is left none are kept, and its visitors count to their ends")
{
    VisitorPlaces places(8);
    VisitorPlaces::Part stays(places);
    std::optional<VisitorPlaces::Part> leaves(std::in_place, places);
    leaves->take();
    leaves->close();
    CHECK(fill(stays) == 7);
    leaves->give_back();
    CHECK(fill(stays) == 1);
    leaves.reset();
    CHECK_FALSE(stays.is_free());
}
