#include <doctest/doctest.h>

#include "common/transport/address_order.hpp"

using namespace tunnel;

namespace {

using Endpoints = std::vector<tcp::endpoint>;

tcp::endpoint numbered(int number)
{
    return {asio::ip::address_v4(0x0a000000u + static_cast<unsigned>(number)), 9001};
}

Endpoints numbered_up_to(int count)
{
    Endpoints all;
    for (int i = 0; i < count; ++i)
        all.push_back(numbered(i));
    return all;
}

} // namespace

TEST_CASE("addresses are tried as the system prefers them until one has taken a connection")
{
    AddressOrder order;
    CHECK(order.arrange(numbered_up_to(3)) == numbered_up_to(3));
    CHECK(order.arrange({}).empty());
    order.connected(numbered(2));
    CHECK(order.arrange(numbered_up_to(3)) == Endpoints{numbered(2), numbered(0), numbered(1)});
}

TEST_CASE("a good address that the name no longer means is not tried")
{
    AddressOrder order;
    order.connected(numbered(7));
    CHECK(order.arrange(numbered_up_to(3)) == numbered_up_to(3));
    CHECK(order.arrange({}).empty());
}

TEST_CASE("an address that was good and fails is not preferred any more")
{
    AddressOrder order;
    order.connected(numbered(1));
    order.failed();
    CHECK(order.arrange(numbered_up_to(2)).size() == 2);
    order.connected(numbered(0));
    CHECK(order.arrange(numbered_up_to(2)) == numbered_up_to(2));
}

TEST_CASE("every one of hundreds of addresses has its turn after a few dials")
{
    const Endpoints all = numbered_up_to(300);
    for (const int good : {0, 63, 64, 150, 299}) {
        AddressOrder order;
        int dials = 0;
        for (bool reached = false; !reached; ++dials) {
            REQUIRE(dials < 6);
            const Endpoints tried = order.arrange(all);
            CHECK(tried.size() == AddressOrder::most_addresses);
            reached = std::ranges::find(tried, numbered(good)) != tried.end();
            if (!reached)
                order.failed();
        }
    }
}
