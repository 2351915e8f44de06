// Answers of ours on their way, over loopback.
#include <doctest/doctest.h>

#include <list>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "common/transport/socket.hpp"
#include "remote-proxy/fronts/http_answers.hpp"
#include "tests/unit/io.hpp"

using namespace std::chrono_literals;
using namespace tunnel;
using namespace tunnel::test;

namespace {

struct House {
    explicit House(HttpAnswers::Limits limits = {})
        : answers(
              io, tasks, [this](HttpClient client) { done.push_back(std::move(client)); }, limits)
    {
    }

    ~House()
    {
        tasks.cancel();
        CHECK(runs_dry(io));
        CHECK(answers.size() == 0);
    }

    // With the visitor's end of it.
    HttpClient client()
    {
        SocketPair pair(io);
        visitors.push_back(std::move(pair.here));
        pair.there.non_blocking(true);
        HttpClient client;
        client.info.peer = loopback(1);
        client.channel = Channel(release(std::move(pair.there)));
        reset_on_close(client.channel.descriptor()); // as a listener has it
        return client;
    }

    // In a handler, as all that calls this.
    void send(HttpClient client, const std::string& answer, bool goes_on)
    {
        const auto kept = std::make_shared<HttpClient>(std::move(client));
        asio::post(
            io, [this, kept, answer, goes_on] { answers.send(std::move(*kept), answer, goes_on); });
        io.restart();
        io.poll();
    }

    // All that the latest visitor gets, and how it ends.
    std::string rest(std::error_code* end = nullptr)
    {
        std::string all;
        std::error_code error;
        run(io, [&]() -> awaitable<void> {
            co_await asio::async_read(visitors.back(), asio::dynamic_buffer(all),
                                      redirect_error(use_awaitable, error));
        });
        if (end != nullptr)
            *end = error;
        return all;
    }

    std::string next(std::size_t size)
    {
        std::string bytes(size, '\0');
        run(io, [&]() -> awaitable<void> {
            co_await asio::async_read(visitors.back(), asio::buffer(bytes), use_awaitable);
        });
        return bytes;
    }

    asio::io_context io;
    TaskGroup tasks{io.get_executor()};
    std::list<tcp::socket> visitors;
    std::list<HttpClient> done;
    HttpAnswers answers;
};

} // namespace

TEST_CASE("an answer that fits goes out at once, and the visitor may ask again")
{
    House house;
    HttpClient client = house.client();
    client.requests = 4;
    client.channel.unread(std::as_bytes(std::span(std::string_view("the next request"))));
    house.send(std::move(client), "an answer", true);
    REQUIRE(house.done.size() == 1); // nothing was waited for
    CHECK(house.answers.size() == 0);
    CHECK(house.done.front().requests == 5);
    CHECK(house.done.front().channel.take_read_ahead() == "the next request");
    CHECK(house.next(9) == "an answer");
}

TEST_CASE("an answer that does not fit is sent as the visitor reads it")
{
    House house;
    const std::string much(20'000'000, 'a');
    HttpClient client = house.client();
    client.channel.unread(std::as_bytes(std::span(std::string_view("the next request"))));
    house.send(std::move(client), much, true);
    CHECK(house.done.empty());
    CHECK(house.answers.size() == 1);
    CHECK((house.next(much.size()) == much));
    CHECK(run_until(house.io, [&] { return !house.done.empty(); }));
    CHECK(house.answers.size() == 0);
    CHECK(house.done.front().requests == 1);
    CHECK(house.done.front().channel.take_read_ahead() == "the next request");
    CHECK(house.done.front().channel.send_at_once("x") == std::error_code());
    CHECK(house.next(1) == "x");
}

TEST_CASE("the last answer is read by whoever is still sending")
{
    House house;
    HttpClient client = house.client();
    write(house.visitors.back(), std::string(50'000, 'x'));
    house.send(std::move(client), "the last answer", false);
    CHECK(house.answers.size() == 1);
    std::error_code end;
    CHECK(house.rest(&end) == "the last answer");
    CHECK(end == asio::error::eof);
    CHECK(house.done.empty());
    house.visitors.back().close();
    CHECK(run_until(house.io, [&] { return house.answers.size() == 0; }));
}

TEST_CASE("whoever is closed without a word has the same time")
{
    HttpAnswers::Limits limits;
    limits.farewell = 100ms;
    House house(limits);
    HttpClient client = house.client();
    write(house.visitors.back(), "still sending");
    const auto began = Clock::now();
    house.answers.close(std::move(client));
    std::error_code end;
    CHECK(house.rest(&end) == "");
    CHECK(end == asio::error::eof);
    CHECK(run_until(house.io, [&] { return house.answers.size() == 0; }));
    CHECK(Clock::now() - began >= 90ms);
}

TEST_CASE("a visitor who does not read its answer is given up")
{
    HttpAnswers::Limits limits;
    limits.answer = 100ms;
    House house(limits);
    for (const bool goes_on : {false, true}) {
        house.send(house.client(), std::string(20'000'000, 'a'), goes_on);
        CHECK(house.answers.size() == 1);
        CHECK(run_until(house.io, [&] { return house.answers.size() == 0; }));
    }
    CHECK(house.done.empty());
}

TEST_CASE("a visitor who has gone gets nothing, and costs nothing")
{
    House house;
    for (const bool goes_on : {false, true}) {
        HttpClient client = house.client();
        reset(house.visitors.back());
        house.io.restart();
        house.io.poll();
        house.send(std::move(client), "an answer", goes_on);
        CHECK(run_until(house.io, [&] { return house.answers.size() == 0; }));
    }
    CHECK(house.done.empty());
}

TEST_CASE("there is a bound of those who are waited for; the others are closed, with their answer")
{
    HttpAnswers::Limits limits;
    limits.connections = 2;
    House house(limits);
    for (int i = 0; i < 5; ++i) {
        house.send(house.client(), "the last answer", false);
        CHECK(house.answers.size() <= 2);
    }
    std::error_code end;
    CHECK(house.rest(&end) == "the last answer");
    CHECK(end == asio::error::eof);
}
