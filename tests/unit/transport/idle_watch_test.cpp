#include <doctest/doctest.h>

#include <algorithm>
#include <numeric>
#include <system_error>
#include <vector>

#include "common/transport/idle_watch.hpp"
#include "tests/support/stream.hpp"

using namespace std::chrono_literals;
using namespace tunnel;
using namespace tunnel::test;

TEST_CASE("who waits for an idle connection is told once that it is readable, and again when asked")
{
    IdleWatch watch;
    Connected pair = connected();
    const Fd idle = pair.there.release();
    int told = 0;
    watch.await(idle.get(), [&told] { ++told; });
    watch.work();
    CHECK(told == 0);
    pair.here.send("a");
    CHECK(eventually([&] { return watch.work(), told == 1; }));
    pair.here.send("b");
    for (int i = 0; i < 10; ++i)
        watch.work();
    CHECK(told == 1);
    watch.await(idle.get(), [&told] { ++told; }); // nothing has been read, so it is readable still
    watch.work();
    CHECK(told == 2);
}

TEST_CASE("the end of an idle connection is told as well")
{
    IdleWatch watch;
    Connected pair = connected();
    const Fd idle = pair.there.release();
    bool told = false;
    watch.await(idle.get(), [&told] { told = true; });
    pair.here.reset();
    CHECK(eventually([&] { return watch.work(), told; }));
}

TEST_CASE("a forgotten wait is not told, not even by the turn that forgets it")
{
    IdleWatch watch;
    std::vector<Connected> pairs;
    std::vector<Fd> idle;
    std::vector<IdleWatch::Wait> waits;
    int told = 0;
    for (int i = 0; i < 4; ++i) {
        Connected& pair = pairs.emplace_back(connected());
        idle.push_back(pair.there.release());
        waits.push_back(watch.await(idle.back().get(), [&] {
            ++told;
            for (const IdleWatch::Wait wait : waits)
                watch.forget(wait);
        }));
    }
    for (Connected& pair : pairs)
        pair.here.send("x");
    CHECK(eventually([&] { return watch.work(), told > 0; }));
    watch.work();
    CHECK(told == 1);
}

TEST_CASE("many idle connections that are ready at once are told in some turns, each once")
{
    constexpr std::size_t all = 50;
    IdleWatch watch;
    std::vector<Connected> pairs;
    std::vector<Fd> idle;
    std::vector<int> told(all);
    for (std::size_t i = 0; i < all; ++i) {
        Connected& pair = pairs.emplace_back(connected());
        idle.push_back(pair.there.release());
        watch.await(idle.back().get(), [&told, i] { ++told[i]; });
        pair.here.send("x");
    }
    const auto in_all = [&told] { return std::accumulate(told.begin(), told.end(), 0); };
    CHECK(eventually([&] { return watch.work(), in_all() >= 8; }));
    CHECK(in_all() < static_cast<int>(all)); // others have had their turn by now
    CHECK(eventually([&] { return watch.work(), in_all() == static_cast<int>(all); }));
    for (int i = 0; i < 10; ++i)
        watch.work();
    CHECK(std::ranges::all_of(told, [](int times) { return times == 1; }));
}

TEST_CASE("a descriptor that is closed and comes again is another connection")
{
    IdleWatch watch;
    int told = 0;
    for (int i = 0; i < 3; ++i) {
        Connected pair = connected();
        const Fd idle = pair.there.release();
        watch.await(idle.get(), [&told] { ++told; });
        pair.here.send("x");
        CHECK(eventually([&] { return watch.work(), told == i + 1; }));
    }
}

TEST_CASE("what cannot be watched is said")
{
    IdleWatch watch;
    CHECK_THROWS_AS(watch.await(-1, [] {}), std::system_error);
}
