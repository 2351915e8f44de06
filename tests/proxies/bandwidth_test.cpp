// Limits of bandwidth, with both proxies: whose limit holds for whom. Only that nothing is faster
// is measured, which a busy machine cannot change.
#include <doctest/doctest.h>

#include <chrono>

#include "common/security/secret.hpp"
#include "tests/support/proxies.hpp"
#include "tests/support/temporary_file.hpp"

using namespace std::chrono_literals;
using namespace tunnel;
using namespace tunnel::test;

namespace {

constexpr std::uint64_t slow = 1'000'000;
constexpr std::size_t size =
    300'000; // which takes 250 ms then, but for what is let through at once
constexpr auto at_least = 200ms;

struct Both {
    explicit Both(const std::function<void(RemoteOptions&, OriginOptions&)>& change)
    {
        OriginOptions at_origin = origin_options({}, server.endpoint());
        change(at_remote, at_origin);
        remote.emplace(at_remote);
        const tcp::endpoint control = remote->proxy().control_endpoint();
        at_origin.remote_proxies = {{{"127.0.0.1", control.port()}, {}}};
        origin.emplace(at_origin, RemoteLink::OnReady());
        CHECK(eventually([this] {
            return origin->on_its_thread([](OriginProxy& proxy) { return proxy.logged_in(); });
        }));
    }

    // A visitor, and where it arrives.
    std::pair<Stream, Stream> visit()
    {
        Stream visitor = Stream::connect(remote->proxy().outside_endpoint());
        visitor.send("?");
        Stream here = server.accept();
        CHECK(here.receive(1) == "?");
        return {std::move(visitor), std::move(here)};
    }

    // How long the bytes take from one to the other.
    static Clock::duration crossing(Stream& from, Stream& to)
    {
        const auto began = Clock::now();
        from.send(std::string(size, 'x'));
        CHECK(to.receive(size) == std::string(size, 'x'));
        return Clock::now() - began;
    }

    Clock::duration up()
    {
        auto [visitor, here] = visit();
        return crossing(visitor, here);
    }

    Clock::duration down()
    {
        auto [visitor, here] = visit();
        return crossing(here, visitor);
    }

    Server server;
    RemoteOptions at_remote = remote_options();
    std::optional<RunningRemote> remote;
    std::optional<RunningOrigin> origin;
};

// Of one program's options, one limit after the other.
template <class Options>
void set(Options& options, int which, Rates& per_origin, const Rates& rates)
{
    if (which == 0)
        options.rules.bandwidth.together = rates;
    else if (which == 1)
        options.rules.bandwidth.each = rates;
    else
        per_origin = rates;
}

} // namespace

TEST_CASE("a limit of the service, of a visitor or of the origin proxy holds, in either program")
{
    for (int which = 0; which < 3; ++which) {
        for (const bool in_remote : {true, false}) {
            for (const bool is_up : {true, false}) {
                CAPTURE(which);
                CAPTURE(in_remote);
                CAPTURE(is_up);
                Both both([&](RemoteOptions& remote, OriginOptions& origin) {
                    const Rates rates = is_up ? Rates{slow, {}} : Rates{{}, slow};
                    if (in_remote)
                        set(remote, which, remote.bandwidth_per_origin[""], rates);
                    else
                        set(origin, which, origin.bandwidth_per_origin, rates);
                });
                CHECK((is_up ? both.up() : both.down()) >= at_least);
            }
        }
    }
}

TEST_CASE("visitors of a service share its limit, and each has one of its own beside it")
{
    Both both([](RemoteOptions& remote, OriginOptions&) {
        remote.rules.bandwidth.together.down = slow;
        remote.rules.bandwidth.each.up = slow;
    });
    auto [one, one_here] = both.visit();
    auto [two, two_here] = both.visit();
    const auto began = Clock::now();
    one_here.send(std::string(size, 'a'));
    two_here.send(std::string(size, 'b'));
    CHECK(one.receive(size) == std::string(size, 'a'));
    CHECK(two.receive(size) == std::string(size, 'b'));
    CHECK(Clock::now() - began >= 2 * at_least);
    CHECK(Both::crossing(one, one_here) >= at_least);
    CHECK(Both::crossing(two, two_here) >= at_least);
}

TEST_CASE(
    "an origin proxy that logs in again shares its limit with the visitors that it left behind")
{
    const std::string secret = generate_secret();
    const TemporaryFile file(secret + "\n");
    Both both([&](RemoteOptions& remote, OriginOptions& origin) {
        remote.bandwidth_per_origin[""].down = slow;
        remote.trust.secret_file = origin.trust.secret_file = file.path();
    });
    auto [former, former_here] = both.visit();
    both.origin->on_its_thread([](OriginProxy& proxy) {
        proxy.stop_gently();
        return true;
    });
    OriginOptions again =
        origin_options(both.remote->proxy().control_endpoint(), both.server.endpoint());
    again.trust.secret_file = file.path();
    RunningOrigin another(again, RemoteLink::OnReady());
    CHECK(eventually([&] {
        return another.on_its_thread([](OriginProxy& proxy) { return proxy.logged_in(); });
    }));
    auto [latter, latter_here] = both.visit();
    const auto began = Clock::now();
    former_here.send(std::string(size, 'a'));
    latter_here.send(std::string(size, 'b'));
    CHECK(former.receive(size) == std::string(size, 'a'));
    CHECK(latter.receive(size) == std::string(size, 'b'));
    CHECK(Clock::now() - began >= 2 * at_least);
}

TEST_CASE("another limit after a reload holds for those who are being served, too")
{
    Both both([](RemoteOptions& remote, OriginOptions&) {
        remote.rules.bandwidth.together.down = 1024;
        remote.bandwidth_per_origin[""].down = 1024;
    });
    auto [visitor, here] = both.visit();
    const auto reload = [&](std::optional<std::uint64_t> rate) {
        both.at_remote.rules.bandwidth.together.down = rate;
        both.at_remote.bandwidth_per_origin[""].down = rate;
        REQUIRE(test::reload(*both.remote, both.at_remote).empty());
    };
    reload(slow);
    CHECK(Both::crossing(here, visitor) >= at_least);
    CHECK(Both::crossing(here, visitor) < 60s); // 5 minutes at the former one
    reload(std::nullopt);
    CHECK(Both::crossing(here, visitor) < 60s);
    CHECK(both.down() < 60s);
}

TEST_CASE("an upload of requests that go with their announcements keeps the limit as well")
{
    Both both([](RemoteOptions& remote, OriginOptions& origin) {
        remote.rules.bandwidth.together.up = 100'000;
        origin.parked_connections = 4;
    });
    const auto began = Clock::now();
    for (int i = 0; i < 12; ++i) {
        Stream visitor = Stream::connect(both.remote->proxy().outside_endpoint());
        visitor.send(std::string(4000, 'x'));
        Stream here = both.server.accept();
        CHECK(here.receive(4000) == std::string(4000, 'x'));
        here.finish();
        visitor.finish();
        CHECK(visitor.receive_all().empty());
    }
    CHECK(Clock::now() - began >= 300ms); // 48,000 bytes, and the last ones may owe
}
