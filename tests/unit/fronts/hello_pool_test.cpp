// Connections of which a part is still to come, over loopback.
#include <doctest/doctest.h>

#include <array>
#include <fstream>
#include <list>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "common/transport/socket.hpp"
#include "remote-proxy/fronts/hello_pool.hpp"
#include "tests/support/stream.hpp"

using namespace std::chrono_literals;
using namespace tunnel;
using namespace tunnel::test;

namespace {

constexpr Clock::time_point noon{std::chrono::hours(12)};
constexpr std::size_t enough = 100; // places

std::size_t bytes_in(int socket)
{
    int size = 0;
    REQUIRE(::ioctl(socket, FIONREAD, &size) == 0);
    return static_cast<std::size_t>(size);
}

int least_bytes(int socket)
{
    int least = 0;
    socklen_t size = sizeof least;
    REQUIRE(::getsockopt(socket, SOL_SOCKET, SO_RCVLOWAT, &least, &size) == 0);
    return least;
}

// Entries of an epoll instance.
std::size_t watched_by(int epoll)
{
    std::ifstream info(fmt::format("/proc/self/fdinfo/{}", epoll));
    std::size_t found = 0;
    for (std::string line; std::getline(info, line);)
        found += line.starts_with("tfd:") ? 1 : 0;
    return found;
}

// A pool, and the other ends of those who wait there.
struct House {
    ~House()
    {
        pool.clear();
        CHECK(pool.size() == 0);
        CHECK(watched_by(pool.descriptor()) == 0);
    }

    // The other end of one that waits for so many bytes.
    Stream& comes(std::size_t bytes, const char* address = "192.0.2.1",
                  Clock::time_point since = noon, std::size_t most = enough)
    {
        Connected pair = connected();
        latest = pair.there.descriptor();
        const tcp::endpoint peer(asio::ip::make_address(address), ++port);
        pool.wait({pair.there.release(), peer, {}, nullptr, nullptr, since}, bytes, most);
        return others.emplace_back(std::move(pair.here));
    }

    // So many bytes are at the end that waits.
    static bool arrived(int socket, std::size_t bytes)
    {
        return eventually([&] { return bytes_in(socket) == bytes; });
    }

    // Turns of the program in which something could happen.
    void works()
    {
        for (int i = 0; i < 10; ++i)
            pool.work();
    }

    bool told(std::size_t times)
    {
        return eventually([&] { return pool.work(), waited_for.size() == times; });
    }

    std::vector<std::size_t> waited_for; // by each call
    std::size_t answer = 0;              // to the next
    std::vector<Newcomer> taken;
    std::vector<std::uint16_t> pushed_out; // their ports
    std::list<Stream> others;
    int latest = -1;
    std::uint16_t port = 0;
    HelloPool pool{{[this](Newcomer& newcomer, std::size_t bytes) {
                        waited_for.push_back(bytes);
                        if (answer == 0)
                            taken.push_back(std::move(newcomer));
                        return answer;
                    },
                    [this](Newcomer newcomer) { pushed_out.push_back(newcomer.peer.port()); }}};
};

using Sizes = std::vector<std::size_t>;
using Ports = std::vector<std::uint16_t>;

} // namespace

// ---- Waiting

TEST_CASE("a visitor is looked at when as many bytes are there as were asked for, and not before")
{
    House house;
    Stream& visitor = house.comes(10);
    const int socket = house.latest;
    house.works();
    visitor.send("123456789");
    REQUIRE(House::arrived(socket, 9));
    house.works();
    CHECK(house.waited_for.empty());
    CHECK(house.pool.size() == 1);
    visitor.send("0");
    CHECK(house.told(1));
    CHECK(house.waited_for == Sizes{10});
    CHECK(house.pool.size() == 0);
    REQUIRE(house.taken.size() == 1);
    CHECK(bytes_in(socket) == 10); // they stay
    CHECK(least_bytes(socket) == 1);
    CHECK(watched_by(house.pool.descriptor()) == 0);
    visitor.send("more");
    house.works();
    CHECK(house.waited_for.size() == 1);
}

TEST_CASE("a visitor whose bytes are there already is looked at in the next turn, not at once")
{
    House house;
    Connected pair = connected();
    pair.here.send("12345");
    REQUIRE(House::arrived(pair.there.descriptor(), 5));
    house.pool.wait({pair.there.release(), {}, {}, nullptr, nullptr, noon}, 5, enough);
    CHECK(house.waited_for.empty());
    CHECK(house.told(1));
}

TEST_CASE("one of whom the kernel has told too early is looked at a little later, and not at once")
{
    House house;
    Stream& visitor = house.comes(5);
    house.answer = 5; // there is not more than before
    visitor.send("12345");
    CHECK(house.told(1));
    house.works();
    CHECK(house.waited_for == Sizes{5});
    REQUIRE(house.pool.next_look());
    const auto later = *house.pool.next_look();
    house.pool.look_again(later - 1ms);
    CHECK(house.waited_for == Sizes{5});
    house.pool.look_again(later);
    CHECK(house.waited_for == Sizes{5, 5});
    REQUIRE(house.pool.next_look());
    house.answer = 0;
    house.pool.look_again(*house.pool.next_look());
    CHECK(house.taken.size() == 1);
    CHECK_FALSE(house.pool.next_look());
}

TEST_CASE("one that is looked at a little later may be reset before")
{
    House house;
    Stream& visitor = house.comes(5);
    house.answer = 5;
    visitor.send("12345");
    CHECK(house.told(1));
    CHECK(house.pool.expire(noon).has_value());
    CHECK_FALSE(house.pool.next_look());
    house.pool.look_again(Clock::now() + 1h);
    CHECK(house.waited_for == Sizes{5});
}

TEST_CASE("a visitor of whom more is wanted is looked at again when that is there")
{
    House house;
    house.answer = 20;
    Stream& visitor = house.comes(10);
    const int socket = house.latest;
    visitor.send("0123456789");
    CHECK(house.told(1));
    CHECK(house.pool.size() == 1);
    visitor.send("012345678");
    REQUIRE(House::arrived(socket, 19));
    house.works();
    CHECK(house.waited_for.size() == 1);
    house.answer = 21;
    visitor.send("9");
    CHECK(house.told(2));
    house.answer = 0;
    visitor.send("!");
    CHECK(house.told(3));
    CHECK(house.waited_for == Sizes{10, 20, 21});
    CHECK(house.pool.size() == 0);
}

TEST_CASE("a visitor who sends all and stays has cost as many looks as were asked for")
{
    House house;
    house.answer = 16384;
    Stream& visitor = house.comes(1);
    const int socket = house.latest;
    const std::string bytes(1000, 'x');
    for (std::size_t sent = 0; sent < 16000; sent += bytes.size()) {
        visitor.send(bytes);
        house.pool.work();
    }
    REQUIRE(House::arrived(socket, 16000));
    house.works();
    CHECK(house.waited_for == Sizes{1});
}

TEST_CASE("the end of a visitor's stream is no reason to wait on")
{
    House house;
    SUBCASE("without a byte")
    {
        house.comes(1).finish();
    }
    SUBCASE("with some of them")
    {
        Stream& visitor = house.comes(10);
        visitor.send("123");
        visitor.finish();
    }
    SUBCASE("after a look")
    {
        house.answer = 10;
        Stream& visitor = house.comes(3);
        visitor.send("123");
        REQUIRE(house.told(1));
        house.waited_for.clear();
        house.answer = 0;
        visitor.finish();
    }
    CHECK(house.told(1));
    CHECK(house.pool.size() == 0);
}

TEST_CASE("a visitor who breaks his connection is looked at, and found to be gone")
{
    House house;
    Stream& visitor = house.comes(10);
    visitor.send("123");
    visitor.reset();
    CHECK(house.told(1));
    REQUIRE(house.taken.size() == 1);
    std::array<char, 10> room{};
    CHECK(::recv(house.taken[0].socket.get(), room.data(), room.size(), MSG_PEEK | MSG_DONTWAIT) <
          10); // fewer than it was told to wait for
}

TEST_CASE("one who sends is looked at while others are silent")
{
    House house;
    for (int i = 0; i < 50; ++i)
        house.comes(1);
    house.comes(1).send("x");
    CHECK(house.told(1));
    CHECK(house.pool.size() == 50);
    CHECK(house.taken.at(0).peer.port() == 51);
    CHECK(house.taken[0].since == noon);
}

// ---- Too many

TEST_CASE("of too many the address that has the most loses its oldest")
{
    House house;
    const auto come = [&house](const char* address) { house.comes(1, address, noon, 4); };
    come("192.0.2.1");
    come("192.0.2.7");
    come("192.0.2.7");
    come("192.0.2.7");
    CHECK(house.pushed_out.empty());
    come("192.0.2.1");
    CHECK(house.pushed_out == Ports{2});
    come("192.0.2.9");
    CHECK(house.pushed_out == Ports{2, 1}); // as many, and the oldest of all
    come("192.0.2.7");
    CHECK(house.pushed_out == Ports{2, 1, 3});
    CHECK(house.pool.size() == 4);
    CHECK(watched_by(house.pool.descriptor()) == 4);
}

TEST_CASE("whoever has many IPv6 addresses of one network has one share")
{
    House house;
    house.comes(1, "2001:db8::1", noon, 3);
    house.comes(1, "192.0.2.1", noon, 3);
    house.comes(1, "2001:db8::2", noon, 3);
    house.comes(1, "192.0.2.2", noon, 3);
    CHECK(house.pushed_out == Ports{1});
}

TEST_CASE("one that was pushed out, or taken, is counted no more")
{
    House house;
    for (int i = 0; i < 20; ++i)
        house.comes(1, "192.0.2.1", noon, 2);
    CHECK(house.pushed_out.size() == 18);
    house.others.back().send("x");
    CHECK(house.told(1));
    CHECK(house.pool.expire(noon));
    CHECK(house.pool.size() == 0);
    house.comes(1, "192.0.2.2", noon, 2);
    house.comes(1, "192.0.2.2", noon, 2);
    CHECK(house.pushed_out.size() == 18);
}

TEST_CASE("a connection that cannot be watched gives its place back")
{
    House house;
    house.pool.wait({Fd(), {asio::ip::address_v4::loopback(), 7}, {}, nullptr, nullptr, noon}, 1,
                    enough);
    CHECK(house.pushed_out == Ports{7});
    CHECK(house.pool.size() == 0);
}

// ---- Time

TEST_CASE("those who have had their time are taken out, the oldest first")
{
    House house;
    CHECK_FALSE(house.pool.oldest());
    CHECK_FALSE(house.pool.expire(noon));
    house.comes(1, "192.0.2.1", noon);
    house.comes(1, "192.0.2.2", noon + 1s);
    house.comes(1, "192.0.2.3", noon + 2s);
    CHECK(house.pool.oldest() == noon);
    CHECK_FALSE(house.pool.expire(noon - 1s));
    CHECK(house.pool.expire(noon + 1s)->peer.port() == 1);
    CHECK(house.pool.expire(noon + 1s)->peer.port() == 2);
    CHECK_FALSE(house.pool.expire(noon + 1s));
    CHECK(house.pool.oldest() == noon + 2s);
    house.others.front().send("x"); // its end is closed by now
    house.works();
    CHECK(house.waited_for.empty());
}

TEST_CASE("one that was looked at and waits on keeps its time")
{
    House house;
    house.answer = 5;
    house.comes(1, "192.0.2.1", noon).send("x");
    house.comes(1, "192.0.2.1", noon + 1s);
    CHECK(house.told(1));
    CHECK(house.pool.oldest() == noon);
    CHECK(house.pool.expire(noon)->peer.port() == 1);
}

TEST_CASE("all who wait see a reset when the pool is cleared")
{
    House house;
    house.comes(1);
    house.comes(10).send("123");
    house.pool.clear();
    CHECK(house.pool.size() == 0);
    CHECK_FALSE(house.pool.oldest());
    CHECK(watched_by(house.pool.descriptor()) == 0);
    for (Stream& each : house.others)
        CHECK(each.ending() == Ending::reset);
    CHECK(house.pushed_out.empty());
    house.pool.clear();
}
