#include <doctest/doctest.h>

#include "common/transport/recent_addresses.hpp"

using namespace tunnel;

namespace {

Cidr ip(unsigned number)
{
    return {asio::ip::address_v4(number), 32};
}

} // namespace

TEST_CASE("what is noted of an address is found again, and is nothing before")
{
    RecentAddresses<int> recent(3);
    CHECK(recent.find(ip(1)) == nullptr);
    CHECK(recent.oldest() == nullptr);
    CHECK(recent.touch(ip(1)) == 0);
    recent.touch(ip(1)) = 10;
    recent.touch(ip(2)) = 20;
    CHECK(*recent.find(ip(1)) == 10);
    CHECK(*recent.find(ip(2)) == 20);
    CHECK(recent.find(ip(3)) == nullptr);
    CHECK(recent.size() == 2);
}

TEST_CASE("beyond the capacity the address that was not touched for longest is forgotten")
{
    RecentAddresses<int> recent(3);
    for (const unsigned number : {1u, 2u, 3u})
        recent.touch(ip(number)) = static_cast<int>(number);
    recent.touch(ip(1));
    CHECK(*recent.oldest() == 2);
    recent.touch(ip(4)) = 4;
    CHECK(recent.size() == 3);
    CHECK(recent.find(ip(2)) == nullptr);
    for (const unsigned number : {1u, 3u, 4u})
        CHECK(*recent.find(ip(number)) == static_cast<int>(number));
}

TEST_CASE("an address can be forgotten, by name or as the oldest")
{
    RecentAddresses<int> recent(3);
    for (const unsigned number : {1u, 2u, 3u})
        recent.touch(ip(number)) = static_cast<int>(number);
    recent.forget(ip(2));
    recent.forget(ip(2)); // is not there any more
    CHECK(recent.find(ip(2)) == nullptr);
    recent.forget_oldest();
    CHECK(recent.find(ip(1)) == nullptr);
    CHECK(*recent.oldest() == 3);
    recent.forget_oldest();
    CHECK(recent.size() == 0);
    CHECK(recent.touch(ip(2)) == 0);
}
