// Heads of requests that are waited for, over loopback.
#include <doctest/doctest.h>

#include <fstream>
#include <list>
#include <string>
#include <string_view>
#include <vector>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/socket.h>

#include "common/transport/socket.hpp"
#include "remote-proxy/fronts/head_pool.hpp"
#include "tests/support/stream.hpp"

using namespace std::chrono_literals;
using namespace tunnel;
using namespace tunnel::test;

namespace {

const std::string get = "GET / HTTP/1.1\r\nHost: a.example\r\n\r\n";

struct Late {
    HttpClient client;
    bool has_begun;
};

// A pool, and the other ends of those who wait there.
struct House {
    explicit House(HeadPool::Limits limits = {})
        : pool(io, watch, alarm,
               {[this](HttpClient client, std::string head) {
                    heads.push_back(std::move(head));
                    clients.push_back(std::move(client));
                },
                [this](HttpClient, const MessageProblem& problem) {
                    wrong.push_back(problem.status);
                },
                [this](HttpClient client, bool has_begun) {
                    late.push_back({std::move(client), has_begun});
                },
                [this](HttpClient client) { pushed_out.push_back(client.info.peer.port()); }},
               limits)
    {
    }

    ~House()
    {
        pool.clear();
        CHECK(pool.size() == 0);
        CHECK(pool.next_deadline() == std::nullopt);
        clients.clear();
        late.clear();
        std::ifstream info(fmt::format("/proc/self/fdinfo/{}", watch.descriptor()));
        for (std::string line; std::getline(info, line);)
            CHECK_FALSE(line.starts_with("tfd:"));
    }

    HttpClient client(const char* address = "192.0.2.1", std::string read_ahead = {})
    {
        Connected pair = connected();
        Fd socket = pair.there.release();
        ::fcntl(socket.get(), F_SETFL, ::fcntl(socket.get(), F_GETFL) | O_NONBLOCK);
        reset_on_close(socket.get()); // as a listener has it
        others.push_back(std::move(pair.here));
        HttpClient client;
        client.channel = Channel(std::move(socket), Tls(), std::move(read_ahead));
        client.info.peer = {asio::ip::make_address(address), ++port};
        return client;
    }

    // The other end of one that waits.
    Stream& comes(const char* address = "192.0.2.1")
    {
        pool.wait(client(address));
        return others.back();
    }

    // Turns of the program.
    void works()
    {
        for (int i = 0; i < 20; ++i) {
            watch.work();
            io.restart();
            io.poll();
        }
    }

    template <class Condition>
    bool works_until(const Condition& condition)
    {
        return eventually([&] { return works(), condition(); });
    }

    asio::io_context io;
    IdleWatch watch;
    Alarm alarm{io.get_executor()};
    std::vector<std::string> heads;
    std::list<HttpClient> clients; // of them
    std::vector<unsigned> wrong;
    std::list<Late> late;
    std::vector<std::uint16_t> pushed_out;
    std::list<Stream> others;
    std::uint16_t port = 0;
    HeadPool pool;
};

} // namespace

TEST_CASE("a head is given when it is whole, with what has come behind it")
{
    House house;
    Stream& other = house.comes();
    const std::string bytes = "\r\n" + get + "body";
    for (std::size_t i = 0; i + 1 < bytes.size(); ++i) {
        other.send(bytes.substr(i, 1));
        house.works();
        if (i + 5 < bytes.size())
            CHECK(house.heads.empty());
    }
    other.send("y");
    CHECK(house.works_until([&] { return !house.heads.empty(); }));
    CHECK(house.heads[0] == "\r\n" + get);
    CHECK(house.pool.size() == 0);
    CHECK(house.pool.next_deadline() == std::nullopt);
}

TEST_CASE("all of several requests at once are there for the next reader")
{
    House house;
    house.comes().send(get + "body" + get);
    CHECK(house.works_until([&] { return house.heads.size() == 1; }));
    HttpClient client = std::move(house.clients.front());
    CHECK(client.channel.take_read_ahead() == "body" + get);
}

TEST_CASE("a head that was read ahead waits for a turn, and for no socket")
{
    House house;
    house.pool.wait(house.client("192.0.2.1", get + get));
    CHECK(house.heads.empty()); // whoever puts it in is not called back at once
    CHECK(house.pool.size() == 1);
    house.io.poll();
    REQUIRE(house.heads.size() == 1);
    HttpClient next = std::move(house.clients.front());
    house.clients.clear();
    ++next.requests;
    house.pool.wait(std::move(next));
    house.io.restart();
    house.io.poll();
    CHECK(house.heads.size() == 2);
    house.pool.wait(house.client("192.0.2.1", get.substr(0, 5)));
    house.works();
    CHECK(house.heads.size() == 2);
    house.others.back().send(get.substr(5));
    CHECK(house.works_until([&] { return house.heads.size() == 3; }));
    CHECK(house.heads[2] == get);
}

TEST_CASE("a pool that goes takes those with it whose turn was to come")
{
    House house;
    auto pool = std::make_unique<HeadPool>(
        house.io, house.watch, house.alarm,
        HeadPool::Hooks{[](HttpClient, const std::string&) { FAIL("nobody is there"); },
                        [](HttpClient, const MessageProblem&) {}, [](HttpClient, bool) {},
                        [](HttpClient) {}},
        HeadPool::Limits());
    pool->wait(house.client("192.0.2.1", get));
    Stream& whole = house.others.back();
    HttpClient half = house.client();
    Stream& begun = house.others.back();
    begun.send(get.substr(0, 5));
    CHECK(eventually([&] {
        char byte = 0;
        return ::recv(half.channel.descriptor(), &byte, 1, MSG_PEEK) == 1;
    }));
    pool->wait(std::move(half));
    pool.reset();
    house.works();
    CHECK(whole.ending() == Ending::end_of_stream);
    CHECK(begun.ending() == Ending::reset); // half a head was taken
}

TEST_CASE("what can be no head is wrong as soon as that shows")
{
    House house;
    house.comes().send("\x16\x03");
    house.comes().send("GET / HTTP/1.1\r\nHost\x01");
    house.comes().send("GET /" + std::string(largest_head, 'a'));
    CHECK(house.works_until([&] { return house.wrong.size() == 3; }));
    std::ranges::sort(house.wrong);
    CHECK(house.wrong == std::vector<unsigned>{400, 400, 431});
    CHECK(house.heads.empty());
    CHECK(house.pool.size() == 0);
}

TEST_CASE("of a visitor who sends without end no more is kept than a head may have")
{
    House house;
    Stream& other = house.comes();
    const std::string line = "GET / HTTP/1.1\r\nA: " + std::string(10'000, 'a');
    other.send(line);
    house.works();
    CHECK(house.wrong.empty());
    for (int i = 0; i < 100 && house.wrong.empty(); ++i) {
        other.send(std::string(10'000, 'a'));
        house.works();
    }
    CHECK(house.wrong == std::vector<unsigned>{431});
}

TEST_CASE("a visitor who leaves has left, without an answer and without a reset")
{
    House house;
    SUBCASE("silent") {}
    SUBCASE("with half a head")
    {
        house.comes().send(get.substr(0, 20));
        house.works();
        house.others.back().finish();
        CHECK(house.works_until([&] { return house.pool.size() == 0; }));
        CHECK(house.others.back().ending() == Ending::end_of_stream);
    }
    SUBCASE("with a reset")
    {
        house.comes();
        house.others.back().reset();
        CHECK(house.works_until([&] { return house.pool.size() == 0; }));
    }
    house.comes();
    house.others.back().finish();
    CHECK(house.works_until([&] { return house.pool.size() == 0; }));
    CHECK(house.others.back().ending() == Ending::end_of_stream);
    CHECK(house.heads.empty());
    CHECK(house.wrong.empty());
    CHECK(house.late.empty());
}

TEST_CASE("a visitor who finishes sending behind a head has still asked")
{
    House house;
    house.comes().send(get);
    house.others.back().finish();
    CHECK(house.works_until([&] { return house.heads.size() == 1; }));
}

TEST_CASE("there is one limit of time for a head, however its bytes come")
{
    House house;
    const auto began = Clock::now();
    Stream& other = house.comes();
    other.send(get.substr(0, 1));
    house.works();
    const auto first = *house.pool.next_deadline();
    CHECK(first >= began + 10s);
    for (std::size_t i = 1; i < 20; ++i) {
        other.send(get.substr(i, 1));
        house.works();
        CHECK(*house.pool.next_deadline() <= Clock::now() + 10s);
    }
    const auto then = *house.pool.next_deadline();
    house.pool.expire(then - 1ms);
    CHECK(house.late.empty());
    house.pool.expire(then);
    REQUIRE(house.late.size() == 1);
    CHECK(house.late.front().has_begun);
    CHECK(then <= Clock::now() + 10s);
    CHECK(house.late.front().client.channel.is_open());
    CHECK(house.pool.size() == 0);
}

TEST_CASE("a visitor who was answered may be silent for longer, and then has time for a head")
{
    House house;
    HttpClient client = house.client();
    client.requests = 1;
    const auto began = Clock::now();
    house.pool.wait(std::move(client));
    CHECK(*house.pool.next_deadline() >= began + 60s);
    house.pool.expire(began + 59s);
    CHECK(house.late.empty());
    SUBCASE("it says nothing")
    {
        house.pool.expire(Clock::now() + 60s);
        REQUIRE(house.late.size() == 1);
        CHECK_FALSE(house.late.front().has_begun);
    }
    SUBCASE("it begins")
    {
        house.others.back().send("G");
        CHECK(house.works_until([&] { return *house.pool.next_deadline() < began + 30s; }));
        house.pool.expire(Clock::now() + 10s);
        REQUIRE(house.late.size() == 1);
        CHECK(house.late.front().has_begun);
    }
}

TEST_CASE("when too many wait the address that has the most loses its oldest")
{
    HeadPool::Limits limits;
    limits.connections = 4;
    House house(limits);
    house.comes("192.0.2.1");
    for (int i = 0; i < 10; ++i)
        house.comes("192.0.2.2");
    CHECK(house.pool.size() == 4);
    CHECK(house.pushed_out == std::vector<std::uint16_t>{2, 3, 4, 5, 6, 7, 8});
    house.others.front().send(get);
    CHECK(house.works_until([&] { return house.heads.size() == 1; }));
    CHECK(house.clients.front().info.peer.port() == 1);
}
