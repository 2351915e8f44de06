#include <doctest/doctest.h>

#include <map>
#include <vector>

#include "remote-proxy/http/login_checker.hpp"
#include "tests/unit/http/hashes.hpp"
#include "tests/unit/io.hpp"
#include "tests/unit/visitors.hpp"

using namespace std::chrono_literals;
using namespace tunnel;
using namespace tunnel::test;

namespace {

using Outcome = LoginChecker::Outcome;
using Outcomes = std::vector<Outcome>;

// A checker, and what it has said. Nothing moves on but in all().
struct Gate {
    ~Gate() { checker.stop(); }

    LoginChecker::Request request(const std::string& authorization, const char* from) const
    {
        return {logins, asio::ip::make_address(from), authorization};
    }

    LoginChecker::Id asks(const std::string& user_and_password, const char* from = "192.0.2.1")
    {
        const std::string authorization = basic(user_and_password);
        return checker.check(request(authorization, from), now,
                             [this](LoginChecker::Result result) {
                                 said.push_back(result.outcome);
                                 last = std::move(result);
                             });
    }

    // What is said once nothing is left to do.
    Outcomes all()
    {
        CHECK(runs_dry(io));
        CHECK(checker.size() == 0);
        return std::exchange(said, {});
    }

    Outcome says(const std::string& user_and_password, const char* from = "192.0.2.1")
    {
        asks(user_and_password, from);
        const Outcomes outcomes = all();
        REQUIRE(outcomes.size() == 1);
        return outcomes.front();
    }

    asio::io_context io{1};
    std::shared_ptr<const Logins> logins = std::make_shared<Logins>(
        Logins::parse("alice:" + open_sesame + "\nbob:" + open_sesames[3], "users"));
    LoginChecker checker{io};
    Clock::time_point now = noon;
    Outcomes said;
    LoginChecker::Result last;
};

} // namespace

TEST_CASE("whoever has the right password is let in under his name, and nobody else")
{
    Gate gate;
    CHECK(gate.says("alice:open sesame") == Outcome::let_in);
    CHECK(gate.last.user == "alice");
    CHECK(gate.says("bob:open sesame") == Outcome::let_in);
    CHECK(gate.last.user == "bob");
    CHECK(gate.says("alice:open sesam") == Outcome::refused);
    CHECK(gate.last.user.empty());
    CHECK(gate.says("carol:open sesame") == Outcome::refused); // whose hash would be alice's
    CHECK(gate.last.user.empty());
    CHECK(gate.says("alice:") == Outcome::refused);
    CHECK(gate.checker.remembered() == 2);
}

TEST_CASE("whoever has no login, or none that can be read, is refused without a password checked")
{
    Gate gate;
    for (const char* header : {"", "Basic", "Bearer x", "Basic !!!!"}) {
        for (int i = 0; i < 10; ++i) {
            const auto known = gate.checker.known(gate.request(header, "192.0.2.1"), noon);
            REQUIRE(known);
            CHECK(known->outcome == Outcome::refused);
        }
        gate.checker.check(gate.request(header, "192.0.2.1"), noon,
                           [&](const auto& result) { gate.said.push_back(result.outcome); });
        CHECK(gate.said.empty()); // not in the call itself
        CHECK(gate.all() == Outcomes{Outcome::refused});
    }
    CHECK(gate.says("alice:open sesame") == Outcome::let_in); // it was no try
}

TEST_CASE("a right login is known until ten minutes are over, or its hash has changed")
{
    Gate gate;
    const std::string header = basic("alice:open sesame");
    const auto request = [&] { return gate.request(header, "198.51.100.1"); };
    CHECK_FALSE(gate.checker.known(request(), gate.now));
    CHECK(gate.says("alice:open sesame") == Outcome::let_in);
    const auto known = gate.checker.known(request(), gate.now + 9min);
    REQUIRE(known);
    CHECK(known->outcome == Outcome::let_in);
    CHECK(known->user == "alice");
    const std::string other = basic("alice:open sesame!");
    CHECK_FALSE(gate.checker.known(gate.request(other, "198.51.100.1"), gate.now));

    gate.logins = std::make_shared<Logins>(Logins::parse("alice:" + open_sesames[3], "users"));
    CHECK_FALSE(gate.checker.known(request(), gate.now)); // the same password, by another hash
    gate.logins = std::make_shared<Logins>(Logins::parse("bob:" + open_sesame, "users"));
    CHECK_FALSE(gate.checker.known(request(), gate.now)); // nobody of this name
    CHECK(gate.says("alice:open sesame") == Outcome::refused);
    gate.logins = std::make_shared<Logins>(Logins::parse("alice:" + open_sesame, "users"));
    CHECK(gate.checker.known(request(), gate.now));
    CHECK_FALSE(gate.checker.known(request(), gate.now + 10min));
}

TEST_CASE("five wrong ones from an address at once, then one a second; who is known is let in")
{
    Gate gate;
    CHECK(gate.says("alice:open sesame") == Outcome::let_in);
    for (int i = 0; i < 5; ++i)
        CHECK(gate.says("alice:" + std::to_string(i)) == Outcome::refused);
    CHECK(gate.says("alice:5") == Outcome::too_many);
    CHECK(gate.last.retry_after == 1s);
    CHECK(gate.says("bob:open sesame") == Outcome::too_many); // right ones tell nothing then
    CHECK(gate.says("alice:open sesame") == Outcome::let_in); // it is known
    CHECK(gate.says("bob:open sesame", "192.0.2.2") == Outcome::let_in);
    gate.now += 400ms;
    const std::string header = basic("alice:5");
    const auto known = gate.checker.known(gate.request(header, "192.0.2.1"), gate.now);
    REQUIRE(known);
    CHECK(known->outcome == Outcome::too_many);
    CHECK(known->retry_after == 1s); // 600 ms, in whole seconds
    gate.now += 600ms;
    CHECK(gate.says("alice:5") == Outcome::refused);
    CHECK(gate.says("alice:6") == Outcome::too_many);
}

TEST_CASE("tries that are under way count, so that many at once are no way around the limit")
{
    Gate gate;
    for (int i = 0; i < 20; ++i)
        gate.asks("alice:" + std::to_string(i));
    const Outcomes outcomes = gate.all();
    CHECK(std::count(outcomes.begin(), outcomes.end(), Outcome::refused) == 5);
    CHECK(std::count(outcomes.begin(), outcomes.end(), Outcome::too_many) == 15);
}

TEST_CASE("the connections of one browser are one try, and right ones are none")
{
    Gate gate;
    for (int i = 0; i < 100; ++i)
        gate.asks("alice:open sesame");
    CHECK(gate.all() == Outcomes(100, Outcome::let_in));
    for (int i = 0; i < 4; ++i)
        gate.asks("bob:wrong");
    CHECK(gate.all() == Outcomes(4, Outcome::refused));
    for (int i = 0; i < 4; ++i)
        CHECK(gate.says("bob:" + std::to_string(i)) == Outcome::refused);
    CHECK(gate.says("bob:5") == Outcome::too_many);
}

TEST_CASE("addresses take turns, so that whoever tries many delays only himself")
{
    Gate gate;
    std::vector<std::string> order;
    const auto ask = [&](const std::string& password, const char* from) {
        const std::string authorization = basic("alice:" + password);
        gate.checker.check(gate.request(authorization, from), noon,
                           [&order, password](const auto&) { order.push_back(password); });
    };
    for (const char* password : {"a1", "a2", "a3", "a4", "a5"})
        ask(password, "192.0.2.1");
    ask("b1", "192.0.2.2");
    ask("b2", "192.0.2.2");
    ask("c1", "192.0.2.3");
    gate.all();
    CHECK(order == std::vector<std::string>{"a1", "a2", "b1", "c1", "a3", "b2", "a4", "a5"});
}

TEST_CASE("no more than 64 wait, and whoever has the most there makes room")
{
    Gate gate;
    // One is checked; of each of 16 addresses five wait but of the last ones.
    std::map<std::string, Outcome> outcomes;
    const auto ask = [&](const std::string& password, const std::string& from) {
        const std::string authorization = basic("alice:" + password);
        gate.checker.check(
            gate.request(authorization, from.c_str()), noon,
            [&outcomes, password](const auto& result) { outcomes[password] = result.outcome; });
    };
    ask("first", "198.51.100.1");
    for (std::size_t i = 0; i < LoginChecker::most_waiting; ++i)
        ask(std::to_string(i), "192.0.2." + std::to_string(i / 4)); // 16 addresses
    CHECK(gate.checker.size() == LoginChecker::most_waiting + 1);
    ask("late", "203.0.113.1");
    ask("latest", "192.0.2.0"); // has as many as any other
    gate.all();
    CHECK(outcomes.at("first") == Outcome::refused);
    CHECK(outcomes.at("late") == Outcome::refused);
    CHECK(outcomes.at("latest") == Outcome::busy);
    int busy = 0;
    for (const auto& [password, outcome] : outcomes)
        busy += outcome == Outcome::busy ? 1 : 0;
    CHECK(busy == 2); // and the one that made room
    CHECK(gate.says("alice:open sesame", "192.0.2.0") == Outcome::let_in);
}

TEST_CASE("one that cannot be let in counts no try: it may wait for a better moment")
{
    Gate gate;
    for (std::size_t i = 0; i <= LoginChecker::most_waiting; ++i)
        gate.asks("alice:" + std::to_string(i), ("192.0.2." + std::to_string(i)).c_str());
    for (int i = 0; i < 10; ++i)
        gate.asks("alice:x" + std::to_string(i), "203.0.113.1");
    const Outcomes outcomes = gate.all();
    CHECK(std::count(outcomes.begin(), outcomes.end(), Outcome::busy) == 10);
    for (int i = 0; i < 5; ++i)
        CHECK(gate.says("alice:y" + std::to_string(i), "203.0.113.1") == Outcome::refused);
}

TEST_CASE("whoever leaves is not told, and gives his place and his try back")
{
    Gate gate;
    const auto checked = gate.asks("alice:open sesame");
    std::vector<LoginChecker::Id> waiting;
    for (int i = 0; i < 4; ++i)
        waiting.push_back(gate.asks("alice:" + std::to_string(i)));
    const auto same = gate.asks("alice:3");
    gate.checker.cancel(checked);
    for (const auto id : waiting)
        gate.checker.cancel(id);
    gate.checker.cancel(waiting.front());
    gate.checker.cancel(12345);
    CHECK(gate.checker.size() == 1);
    CHECK(gate.all() == Outcomes{Outcome::refused}); // for `same`
    gate.checker.cancel(same);
    CHECK(gate.checker.remembered() == 1); // what was begun is used
    for (int i = 0; i < 4; ++i)
        CHECK(gate.says("bob:" + std::to_string(i)) == Outcome::refused);
    CHECK(gate.says("bob:4") == Outcome::too_many);
    const auto refused = gate.asks("bob:5");
    gate.checker.cancel(refused); // its result is on its way
    CHECK(gate.all().empty());
}

TEST_CASE("a caller may ask again, leave or stop when it is told")
{
    Gate gate;
    int told = 0;
    const std::string wrong = basic("alice:wrong");
    LoginChecker::Id second = 0;
    gate.checker.check(gate.request(wrong, "192.0.2.1"), noon, [&](const auto&) {
        ++told;
        gate.checker.cancel(second);
        const std::string right = basic("alice:open sesame");
        gate.checker.check(gate.request(right, "192.0.2.1"), noon, [&](const auto& result) {
            ++told;
            CHECK(result.outcome == Outcome::let_in);
            gate.checker.stop();
        });
    });
    second = gate.checker.check(gate.request(wrong, "192.0.2.1"), noon,
                                [&](const auto&) { FAIL("it has left"); });
    gate.all();
    CHECK(told == 2);
}

TEST_CASE("after stop() nobody is told any more, whatever was under way")
{
    Gate gate;
    for (int i = 0; i < 5; ++i)
        gate.asks("alice:" + std::to_string(i));
    gate.checker.stop();
    gate.asks("alice:open sesame");
    CHECK(gate.all().empty());
}

TEST_CASE(
    "a checker that is gone tells nobody, whether its thread was at work or a result on its way")
{
    asio::io_context io{1};
    const Gate gate;
    const auto told = [](const auto&) { FAIL("it is gone"); };
    for (int i = 0; i < 100; ++i) {
        LoginChecker checker(io);
        const std::string header = basic((i % 2 == 0 ? "bob:" : "carol:") + std::to_string(i));
        checker.check(gate.request(header, "192.0.2.1"), noon, told);
        checker.check(gate.request("nonsense", "192.0.2.1"), noon, told);
        for (int turns = i % 10 * 100; turns > 0; --turns) // so that the thread comes further
            (void)checker.known(gate.request(header, "192.0.2.1"), noon);
    }
    CHECK(runs_dry(io));
}

TEST_CASE("many of many addresses are all told, each what is true")
{
    Gate gate;
    int wrong_answers = 0;
    int told = 0;
    for (int round = 0; round < 20; ++round) {
        for (int i = 0; i < 30; ++i) {
            const bool is_right = i % 3 == 0;
            const std::string header =
                basic(is_right ? "alice:open sesame" : "bob:" + std::to_string(round * 100 + i));
            const std::string from = "10." + std::to_string(round) + "." + std::to_string(i) + ".1";
            const auto id = gate.checker.check(
                gate.request(header, from.c_str()), noon, [&, is_right](const auto& result) {
                    ++told;
                    const auto expected = is_right ? Outcome::let_in : Outcome::refused;
                    wrong_answers += result.outcome == expected ? 0 : 1;
                });
            if (i % 7 == 0)
                gate.checker.cancel(id);
        }
        gate.all();
    }
    CHECK(told == 20 * 25);
    CHECK(wrong_answers == 0);
}
