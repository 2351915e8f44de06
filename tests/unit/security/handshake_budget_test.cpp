#include <doctest/doctest.h>

#include <deque>
#include <string>

#include "common/security/handshake_budget.hpp"
#include "tests/unit/io.hpp"

using namespace std::chrono_literals;
using namespace tunnel;

namespace {

asio::ip::address from(const std::string& text)
{
    return asio::ip::make_address(text);
}

// Asks for turns, and notes who has got one, in that order.
struct Askers {
    explicit Askers(asio::io_context& io, const HandshakeBudget::Options& options = all_at_once())
        : budget(io.get_executor(), options)
    {
    }

    // Where no time has to go by, the order alone decides.
    static HandshakeBudget::Options all_at_once()
    {
        HandshakeBudget::Options options;
        options.burst = 1h;
        return options;
    }

    void ask(const std::string& address, const std::string& name)
    {
        names.push_back(name);
        turns.emplace_back(budget, from(address), [this, name] { granted.push_back(name); });
        if (turns.back().granted())
            granted.push_back(name);
    }

    // Whoever has the turn ends it.
    void pay(Clock::duration cost)
    {
        for (std::size_t i = 0; i < turns.size(); ++i) {
            if (names[i] == granted.back()) {
                turns[i].pay(cost);
                return;
            }
        }
    }

    std::deque<std::string> names;
    std::vector<std::string> granted;
    HandshakeBudget budget;
    std::deque<HandshakeBudget::Turn> turns;
};

using Names = std::vector<std::string>;

} // namespace

TEST_CASE("a handshake that comes alone has its turn at once")
{
    asio::io_context io;
    HandshakeBudget budget(io.get_executor(), HandshakeBudget::Options());
    for (int i = 0; i < 3; ++i) {
        HandshakeBudget::Turn turn(budget, from("192.0.2.1"), [] { FAIL("it had it already"); });
        CHECK(turn.granted());
        turn.pay(1ms);
    }
    CHECK(budget.waiting() == 0);
    io.run(); // nothing is left
}

TEST_CASE("one handshake has the turn at a time, and one that gives it back unpaid makes room")
{
    asio::io_context io;
    Askers askers(io);
    askers.ask("192.0.2.1", "first");
    askers.ask("192.0.2.2", "second");
    CHECK((askers.granted == Names{"first"}));
    askers.turns.pop_front();
    CHECK((askers.granted == Names{"first", "second"}));
}

TEST_CASE("an address that asks a hundred times waits for itself, and another one is next")
{
    asio::io_context io;
    Askers askers(io);
    for (int i = 0; i < 100; ++i)
        askers.ask("192.0.2.1", "flood " + std::to_string(i));
    askers.ask("192.0.2.2", "good");
    CHECK(askers.budget.waiting() == 100);
    askers.pay(5ms);
    CHECK((askers.granted == Names{"flood 0", "good"}));
    askers.pay(5ms);
    CHECK((askers.granted == Names{"flood 0", "good", "flood 99"})); // which has most time left
    askers.ask("2001:db8::1", "of IPv6");
    askers.ask("2001:db8::2", "of the same network"); // of 64 bits: one address
    askers.pay(5ms);
    CHECK(askers.granted.back() == "of the same network");
    askers.pay(6ms);
    CHECK(askers.granted.back().starts_with("flood"));
}

TEST_CASE("who costs more for each handshake has fewer of them")
{
    asio::io_context io;
    Askers askers(io);
    askers.ask("192.0.2.9", "first");
    for (int i = 0; i < 20; ++i) {
        askers.ask("192.0.2.1", "dear " + std::to_string(i));
        askers.ask("192.0.2.2", "cheap " + std::to_string(i));
    }
    int dear = 0;
    int cheap = 0;
    for (int i = 0; i < 12; ++i) {
        const bool is_dear = askers.granted.back().starts_with("dear");
        askers.pay(is_dear ? 5ms : 1ms);
        ++(askers.granted.back().starts_with("dear") ? dear : cheap);
    }
    CHECK(dear <= 3);
    CHECK(cheap >= 9);
}

TEST_CASE("an address from which somebody logged in goes first, until its credit is used up")
{
    asio::io_context io;
    Askers askers(io);
    askers.budget.succeeded(from("192.0.2.1"));
    askers.ask("192.0.2.9", "first");
    askers.ask("192.0.2.1", "proven");
    for (int i = 2; i < 9; ++i)
        askers.ask("192.0.2." + std::to_string(i), "fresh " + std::to_string(i));
    askers.pay(1ms);
    CHECK(askers.granted.back() == "proven");
    askers.pay(1s);
    askers.ask("192.0.2.1", "proven again");
    for (int i = 2; i < 8; ++i) {
        askers.pay(1ms);
        CHECK(askers.granted.back().starts_with("fresh"));
    }
}

TEST_CASE("those who give up while they wait leave nothing behind")
{
    asio::io_context io;
    Askers askers(io);
    askers.ask("192.0.2.1", "first");
    for (int i = 0; i < 10; ++i)
        askers.ask(i % 2 == 0 ? "192.0.2.1" : "192.0.2.2", "impatient");
    while (askers.turns.size() > 1)
        askers.turns.pop_back();
    CHECK(askers.budget.waiting() == 0);
    askers.ask("192.0.2.3", "last");
    askers.pay(1ms);
    CHECK((askers.granted == Names{"first", "last"}));
}

TEST_CASE("of the time that passes only a share goes to handshakes")
{
    asio::io_context io;
    HandshakeBudget::Options options;
    options.share = 0.5;
    options.burst = 0s;
    Askers askers(io, options);
    const auto began = Clock::now();
    for (int i = 0; i < 4; ++i)
        askers.ask("192.0.2.1", std::to_string(i));
    for (std::size_t i = 1; i < 4; ++i) {
        askers.pay(20ms);
        CHECK(askers.granted.size() == i); // not yet
        CHECK(test::run_until(io, [&] { return askers.granted.size() > i; }));
    }
    CHECK(askers.granted.size() == 4);
    CHECK(Clock::now() - began >= 120ms);
}

TEST_CASE("a peer that goes away while it waits for its turn is not waited for")
{
    asio::io_context io;
    HandshakeBudget budget(io.get_executor(), HandshakeBudget::Options());
    const HandshakeBudget::Turn taken(budget, from("192.0.2.1"), [] {});
    for (const bool is_reset : {true, false}) {
        CAPTURE(is_reset);
        test::SocketPair pair(io);
        HandshakeBudget::Turn turn(budget, from("192.0.2.2"), [&pair] { pair.there.cancel(); });
        if (is_reset)
            pair.here.set_option(asio::socket_base::linger(true, 0));
        pair.here.close();
        const std::system_error failure = test::failure_of(io, wait_for(turn, pair.there));
        CHECK(failure.code());
    }
    CHECK(budget.waiting() == 0);
}

TEST_CASE("who says more than he should while he waits still gets his turn, and one that is closed "
          "does not")
{
    asio::io_context io;
    HandshakeBudget budget(io.get_executor(), HandshakeBudget::Options());
    std::optional<HandshakeBudget::Turn> taken;
    taken.emplace(budget, from("192.0.2.1"), [] {});
    test::SocketPair pair(io);
    HandshakeBudget::Turn turn(budget, from("192.0.2.2"), [&pair] { pair.there.cancel(); });
    std::exception_ptr failure;
    bool returned = false;
    asio::co_spawn(io, wait_for(turn, pair.there), [&](std::exception_ptr error) {
        failure = std::move(error);
        returned = true;
    });
    pair.here.send(asio::buffer("too early"));
    io.run_for(20ms);
    CHECK_FALSE(returned);
    SUBCASE("granted")
    {
        taken.reset();
        io.run_for(5s);
        CHECK(returned);
        CHECK_FALSE(failure);
        CHECK(turn.granted());
    }
    SUBCASE("closed")
    {
        pair.there.close();
        io.run_for(5s);
        CHECK(returned);
        CHECK(failure);
    }
}
