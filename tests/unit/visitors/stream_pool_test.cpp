// Streams that wait for the next request, over loopback.
#include <doctest/doctest.h>

#include <fstream>
#include <string>
#include <vector>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/socket.h>

#include "common/transport/socket.hpp"
#include "remote-proxy/visitors/stream_pool.hpp"
#include "tests/support/stream.hpp"
#include "tests/support/stream_frames.hpp"

using namespace std::chrono_literals;
using namespace tunnel;
using namespace tunnel::test;

namespace {

constexpr std::uint64_t web = 3; // a service
constexpr std::size_t enough = 100;

struct House {
    ~House()
    {
        pool.clear();
        CHECK(pool.size() == 0);
        CHECK(pool.next_deadline() == std::nullopt);
        free.clear();
        CHECK(watched() == 0);
    }

    // The end of a connection that stays here.
    HttpStream stream(std::uint64_t link = 7)
    {
        Connected pair = connected();
        Fd socket = pair.there.release();
        ::fcntl(socket.get(), F_SETFL, ::fcntl(socket.get(), F_GETFL) | O_NONBLOCK);
        latest = socket.get();
        others.push_back(std::move(pair.here));
        auto carrier = std::make_shared<Carrier>();
        carrier->link = link;
        return {std::move(socket), false, false, carrier};
    }

    // The other end of one that is put in.
    Stream& put(std::uint64_t service = web, std::uint64_t link = 7, std::size_t most = enough)
    {
        pool.put(service, stream(link), most);
        return others.back();
    }

    // The latest that was made is there.
    bool takes_latest(std::uint64_t service = web, std::uint64_t link = 7)
    {
        auto taken = pool.take(service, link);
        return taken && taken->channel.descriptor() == latest;
    }

    std::size_t watched() const
    {
        std::ifstream info(fmt::format("/proc/self/fdinfo/{}", watch.descriptor()));
        std::size_t found = 0;
        for (std::string line; std::getline(info, line);)
            found += line.starts_with("tfd:") ? 1 : 0;
        return found;
    }

    // Something has come for the latest that was made.
    bool has_come()
    {
        return eventually([this] {
            char byte = 0;
            return ::recv(latest, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 1;
        });
    }

    bool works_until_size(std::size_t size)
    {
        return eventually([&] { return watch.work(), pool.size() == size; });
    }

    IdleWatch watch;
    std::vector<Channel> free;
    std::vector<Stream> others;
    int latest = -1;
    StreamPool pool{watch, [this](const Carrier& carrier, Channel channel) {
                        CHECK(carrier.link == 7);
                        free.push_back(std::move(channel));
                    }};
};

} // namespace

TEST_CASE("the youngest stream of a service and a log-in is taken first")
{
    House house;
    house.others.reserve(10);
    house.put();
    const int older = house.latest;
    house.put();
    CHECK(house.pool.size() == 2);
    CHECK_FALSE(house.pool.take(web + 1, 7));
    CHECK_FALSE(house.pool.take(web, 8));
    CHECK(house.takes_latest());
    CHECK(house.pool.take(web, 7)->channel.descriptor() == older);
    CHECK_FALSE(house.pool.take(web, 7));
    CHECK(house.pool.size() == 0);
}

TEST_CASE("a stream that is taken is as it was, and is not watched any more")
{
    House house;
    HttpStream stream = house.stream();
    stream.sends_raw = true;
    stream.receives_raw = true;
    house.pool.put(web, std::move(stream), enough);
    CHECK(house.watched() == 1);
    auto taken = house.pool.take(web, 7);
    REQUIRE(taken);
    CHECK(house.watched() == 0);
    CHECK(taken->sends_raw);
    CHECK(taken->receives_raw);
    CHECK(taken->carrier->link == 7);
    CHECK(taken->channel.send_at_once("x") == std::error_code());
    CHECK(house.others.back().receive(1) == "x");
}

TEST_CASE("there is a bound, and the oldest stream goes first")
{
    House house;
    house.others.reserve(10);
    Stream& first = house.put(web, 7, 2);
    Stream& second = house.put(web + 1, 7, 2);
    CHECK_FALSE(first.readable_within(0ms));
    house.put(web, 7, 2);
    CHECK(house.pool.size() == 2);
    CHECK(first.ending() == Ending::end_of_stream);
    CHECK_FALSE(second.readable_within(0ms));
    CHECK(house.takes_latest());
}

TEST_CASE("a stream that nobody has wanted for long is ended, and its connection waits for the end")
{
    House house;
    Stream& other = house.put();
    const auto now = Clock::now();
    CHECK(*house.pool.next_deadline() <= now + StreamPool::kept);
    house.pool.expire(now + StreamPool::kept - 1s);
    CHECK_FALSE(other.readable_within(0ms));
    house.pool.expire(now + StreamPool::kept + 1s);
    CHECK(other.receive(3) == end_frame);
    CHECK_FALSE(house.pool.take(web, 7));
    CHECK(house.pool.size() == 1);
    CHECK(*house.pool.next_deadline() <= Clock::now() + StreamPool::ending);
    SUBCASE("which comes")
    {
        other.send(end_frame);
        CHECK(house.works_until_size(0));
        REQUIRE(house.free.size() == 1);
        CHECK_FALSE(other.readable_within(20ms));
        CHECK(house.free[0].send_at_once("next") == std::error_code());
        CHECK(other.receive(4) == "next");
    }
    SUBCASE("which does not come")
    {
        house.pool.expire(now + StreamPool::kept + StreamPool::ending + 2s);
        CHECK(house.pool.size() == 0);
        CHECK(house.free.empty());
        CHECK(other.ending() == Ending::end_of_stream);
    }
    SUBCASE("or something else does")
    {
        other.send(data_frame("x"));
        CHECK(house.works_until_size(0));
        CHECK(house.free.empty());
    }
}

TEST_CASE("a stream that its peer ends is ended here too, and the connection is good for another")
{
    House house;
    Stream& other = house.put();
    other.send(end_frame);
    SUBCASE("as soon as it shows")
    {
        CHECK(house.works_until_size(0));
    }
    SUBCASE("or when it is wanted")
    {
        CHECK(house.has_come());
        CHECK_FALSE(house.pool.take(web, 7));
        CHECK(house.pool.size() == 0);
    }
    CHECK(other.receive(3) == end_frame);
    REQUIRE(house.free.size() == 1);
    CHECK(house.free[0].send_at_once("next") == std::error_code());
    CHECK(other.receive(4) == "next");
}

TEST_CASE("what comes unasked reaches no request, whether it was noticed or not")
{
    for (const bool is_noticed : {false, true}) {
        for (const std::string& bytes : {data_frame("HTTP/1.1 200 OK\r\n"), end_frame + end_frame,
                                         end_frame.substr(0, 2), start_frame, std::string("x")}) {
            House house;
            Stream& other = house.put();
            other.send(bytes);
            CHECK(house.has_come());
            if (is_noticed)
                CHECK(house.works_until_size(0));
            CHECK_FALSE(house.pool.take(web, 7));
            CHECK(house.pool.size() == 0);
            CHECK(house.free.empty());
        }
    }
}

TEST_CASE("a raw stream is ended by closing it, which is no reset")
{
    House house;
    house.others.reserve(10);
    for (const bool sends : {false, true}) {
        HttpStream stream = house.stream();
        stream.sends_raw = sends;
        stream.receives_raw = !sends;
        reset_on_close(stream.channel.descriptor()); // as large pieces have left it
        SUBCASE("at once")
        {
            house.pool.end(std::move(stream), false, enough);
        }
        SUBCASE("after a while")
        {
            house.pool.put(web, std::move(stream), enough);
            house.pool.expire(Clock::now() + StreamPool::kept + 1s);
        }
        CHECK(house.others.back().ending() == Ending::end_of_stream);
        CHECK(house.pool.size() == 0);
    }
}

TEST_CASE("an end is sent once")
{
    House house;
    house.others.reserve(10);
    house.pool.end(house.stream(), true, enough);
    CHECK_FALSE(house.others.back().readable_within(0ms));
    house.others.back().send(end_frame);
    CHECK(house.works_until_size(0));
    CHECK(house.free.size() == 1);
    CHECK_FALSE(house.others.back().readable_within(0ms));
    house.pool.end(house.stream(), false, enough);
    CHECK(house.others.back().receive(3) == end_frame);
}

TEST_CASE("a service that goes has its streams ended, and a log-in that goes has them closed")
{
    House house;
    house.others.reserve(10);
    Stream& one = house.put(web, 7);
    Stream& two = house.put(web, 8);
    Stream& other = house.put(web + 1, 7);
    house.pool.end_all_of(web);
    CHECK(one.receive(3) == end_frame);
    CHECK(two.receive(3) == end_frame);
    CHECK_FALSE(other.readable_within(0ms));
    CHECK_FALSE(house.pool.take(web, 7));
    CHECK(house.pool.size() == 3);
    house.pool.close_those_of([](const Carrier& carrier) { return carrier.link == 7; });
    CHECK(house.pool.size() == 1);
    CHECK(one.ending() == Ending::end_of_stream);
    CHECK(other.ending() == Ending::end_of_stream);
    CHECK_FALSE(two.readable_within(0ms));
}
