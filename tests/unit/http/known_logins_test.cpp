#include <doctest/doctest.h>

#include "remote-proxy/http/known_logins.hpp"
#include "tests/unit/visitors.hpp"

using namespace std::chrono_literals;
using namespace tunnel;
using namespace tunnel::test;

namespace {

Mac digest(std::size_t number)
{
    return mac(Key(), std::to_string(number));
}

} // namespace

TEST_CASE("a right login is known for ten minutes, however often it is used")
{
    KnownLogins known;
    CHECK_FALSE(known.contains(digest(1), noon));
    known.add(digest(1), noon);
    CHECK(known.contains(digest(1), noon));
    CHECK_FALSE(known.contains(digest(2), noon));
    CHECK(known.contains(digest(1), noon + 10min - 1ns));
    CHECK_FALSE(known.contains(digest(1), noon + 10min));
    CHECK(known.size() == 0);
    known.add(digest(1), noon + 10min);
    known.add(digest(1), noon + 12min);
    CHECK(known.size() == 1);
    CHECK(known.contains(digest(1), noon + 21min));
}

TEST_CASE("a thousand are known, and the one that was not used for longest is forgotten first")
{
    KnownLogins known;
    for (std::size_t i = 0; i < KnownLogins::most; ++i)
        known.add(digest(i), noon);
    CHECK(known.contains(digest(0), noon));
    known.add(digest(KnownLogins::most), noon);
    CHECK(known.size() == KnownLogins::most);
    CHECK(known.contains(digest(0), noon));
    CHECK_FALSE(known.contains(digest(1), noon));
    CHECK(known.contains(digest(2), noon));
    known.clear();
    CHECK(known.size() == 0);
    CHECK_FALSE(known.contains(digest(2), noon));
}
