// Offers of origin proxies for what another one has.
#include <doctest/doctest.h>

#include "remote-proxy/registry/contests.hpp"

using namespace std::chrono_literals;
using namespace tunnel;

using State = Contests::State;

TEST_CASE("an offer waits until the holder of what it wants is heard")
{
    Contests contests;
    const Contender ssh{2, "ssh"};
    CHECK(contests.enter(ssh, "port 22", 1) == State::asking);
    CHECK(contests.is_contested(1));
    CHECK(contests.heard(3).empty());
    CHECK(contests.heard(1) == std::vector{ssh});
    CHECK(contests.heard(1).empty()); // it has been answered
    CHECK(contests.enter(ssh, "port 22", 1) == State::answered);
    CHECK(contests.is_contested(1)); // and waits for the end of the holder
    CHECK(contests.enter(ssh, "port 22", 4) == State::asking); // another one has it now
    CHECK_FALSE(contests.is_contested(1));
    CHECK(contests.enter(ssh, "port 23", 4) == State::asking); // it wants something else
    CHECK(contests.over("port 22").empty());
    CHECK(contests.size() == 1);
}

TEST_CASE("those who wait for a thing have their turns in the order in which they came")
{
    Contests contests;
    for (const std::uint64_t link : {5, 2, 9})
        contests.enter({link, "ssh"}, "port 22", 1);
    contests.enter({2, "ssh"}, "port 22", 1); // asks once more
    CHECK(contests.over("port 22") == std::vector<Contender>{{5, "ssh"}, {2, "ssh"}, {9, "ssh"}});
    contests.leave({2, "ssh"});
    contests.leave_all_of(5);
    CHECK(contests.over("port 22") == std::vector<Contender>{{9, "ssh"}});
}

TEST_CASE("a holder that is gone keeps what it had for a while and no longer")
{
    Contests contests;
    const auto now = Clock::now();
    CHECK(contests.next() == std::nullopt);
    contests.enter({2, "a"}, "port 1", 0, now + 2s);
    contests.enter({3, "b"}, "port 2", 0, now + 1s);
    CHECK(contests.next() == now + 1s);
    CHECK(contests.due(now).empty());
    CHECK(contests.due(now + 1s) == std::vector<Contender>{{3, "b"}});
    contests.enter({3, "b"}, "port 2", 7); // it has come back
    CHECK(contests.next() == now + 2s);
}

TEST_CASE("what waits is bounded, for a link, for a thing and in all")
{
    Contests contests;
    for (std::size_t i = 0; i < Contests::most_of_link; ++i)
        CHECK(contests.enter({1, std::to_string(i)}, "x", 9) == State::asking);
    CHECK(contests.enter({1, "one more"}, "x", 9) == State::full);
    CHECK(contests.enter({1, "0"}, "x", 9) == State::asking); // that one is known
    std::uint64_t link = 2;
    while (contests.over("x").size() < Contests::most_over_thing)
        contests.enter({link++, "s"}, "x", 9);
    CHECK(contests.enter({link++, "s"}, "x", 9) == State::full);
    for (; link < 3 * Contests::most; ++link)
        contests.enter({link, "s"}, std::to_string(link), 9);
    CHECK(contests.size() == Contests::most);
    contests.leave_all_of(1);
    CHECK(contests.enter({link, "s"}, "y", 9) == State::asking);
}
