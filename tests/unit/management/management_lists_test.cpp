// Lists in pages, and events as they happen.
#include <doctest/doctest.h>

#include <fmt/format.h>

#include "common/http/target.hpp"
#include "common/management/events.hpp"
#include "common/management/json_response.hpp"
#include "tests/unit/io.hpp"

using namespace std::chrono_literals;
using namespace tunnel;
using namespace tunnel::test;

namespace {

struct Named {
    std::string name;
};

Request asking(std::string query)
{
    Request request;
    request.query = std::move(query);
    return request;
}

Response page(const std::vector<Named>& all, std::string query)
{
    return page_of_named("names", all, asking(std::move(query)), [](const Named& each) {
        return Json{{"name", each.name}};
    });
}

std::string names_in(const Json& document)
{
    std::string names;
    for (const Json& each : document.at("names"))
        names += each.at("name").get<std::string>();
    return names;
}

// What comes without waiting.
std::string taken(asio::io_context& io, EventStream& stream)
{
    std::string events;
    run(io, [&]() -> awaitable<void> { events = co_await stream.take(Clock::now() + 10ms); });
    return events;
}

} // namespace

TEST_CASE("a value of a query is found by its name, decoded once")
{
    CHECK(query_value("a=1&b=2", "b") == "2");
    CHECK(query_value("a=1&b=2", "c") == std::nullopt);
    CHECK(query_value("", "a") == std::nullopt);
    CHECK(query_value("a", "a") == "");
    CHECK(query_value("a=&b", "a") == "");
    CHECK(query_value("a=b=c", "a") == "b=c");
    CHECK(query_value("a=%2541", "a") == "%41");
    CHECK(query_value("a=%4", "a") == std::nullopt);
    CHECK(query_value("&&a=1", "a") == "1");
}

TEST_CASE("pages follow each other without a gap and nothing twice")
{
    std::vector<Named> all;
    for (const char* const name : {"d", "a", "c", "e", "b"})
        all.push_back({name});
    std::string seen;
    std::string query = "limit=2";
    for (int i = 0; i < 3; ++i) {
        const Json document = Json::parse(page(all, query).body);
        seen += names_in(document) + ";";
        CHECK(document.contains("next") == (i < 2));
        query = fmt::format("limit=2&after={}", document.value("next", ""));
    }
    CHECK(seen == "ab;cd;e;");
    CHECK(names_in(Json::parse(page(all, "after=bb").body)) == "cde"); // one that is gone
}

TEST_CASE("a page that cannot be is refused")
{
    for (const char* const limit : {"0", "1001", "-1", "x", "", "99999999999999999999"})
        CHECK(page({}, fmt::format("limit={}", limit)).status == 400);
    CHECK(page({}, "limit=1000").status == 200);
    CHECK(Page{100, "12"}.after_number() == 12);
    CHECK(Page{100, ""}.after_number() == 0);
    CHECK(Page{100, "x"}.after_number() == std::nullopt);
}

TEST_CASE("text that is no UTF-8 makes no broken JSON")
{
    CHECK(to_line(Json{{"a", "\xff"}}) == "{\"a\":\"\xef\xbf\xbd\"}");
}

TEST_CASE("events reach all who listen, numbered, and nobody who has gone")
{
    asio::io_context io;
    EventHub hub(io.get_executor());
    CHECK_FALSE(hub.is_heard());
    const auto one = hub.listen();
    auto other = hub.listen();
    CHECK(hub.is_heard());
    hub.publish("a", "{}");
    CHECK(taken(io, *one) == "id: 1\nevent: a\ndata: {}\n\n");
    other.reset();
    hub.publish("b", "1");
    CHECK(taken(io, *one) == "id: 2\nevent: b\ndata: 1\n\n");
    CHECK(taken(io, *one) == "");
}

TEST_CASE("a listener that does not read loses events, and hears how many")
{
    asio::io_context io;
    EventHub hub(io.get_executor());
    const auto slow = hub.listen();
    SUBCASE("many small ones")
    {
        for (std::size_t i = 0; i < EventStream::most_events + 7; ++i)
            hub.publish("a", "{}");
        const std::string events = taken(io, *slow);
        CHECK(events.ends_with("event: lost\ndata: {\"events\":7}\n\n"));
    }
    SUBCASE("a few large ones")
    {
        const std::string large(300'000, 'x');
        for (int i = 0; i < 5; ++i)
            hub.publish("a", large);
        const std::string events = taken(io, *slow);
        CHECK(events.size() <= EventStream::most_bytes + 100);
        CHECK(events.ends_with("event: lost\ndata: {\"events\":2}\n\n"));
    }
    hub.publish("b", "{}");
    CHECK(taken(io, *slow).find("event: b") != std::string::npos);
}

TEST_CASE("there is a bound for those who listen, and an end for all of them")
{
    asio::io_context io;
    EventHub hub(io.get_executor());
    std::vector<std::shared_ptr<EventStream>> all;
    for (std::size_t i = 0; i < EventHub::most_listeners; ++i)
        all.push_back(hub.listen());
    CHECK(hub.listen() == nullptr);
    all.pop_back();
    CHECK(hub.listen() != nullptr);
    hub.close();
    CHECK(all[0]->is_closed());
    CHECK(hub.listen() == nullptr);
}
