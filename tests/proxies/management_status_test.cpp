// What the proxies tell of themselves while they run.
#include <doctest/doctest.h>

#include "tests/support/proxies.hpp"

using namespace tunnel;
using namespace tunnel::test;

namespace {

RemoteOptions with_another_service(bool required)
{
    RemoteOptions options = remote_options();
    RemoteService web{"web", {"127.0.0.1", 0}};
    web.required = required;
    options.services.push_back(web);
    return options;
}

RemoteStatus status_of(RunningRemote& remote)
{
    return remote.on_its_thread([](const RemoteProxy& proxy) { return proxy.status(); });
}

std::vector<std::string> expected_by(RunningRemote& remote)
{
    std::vector<std::string> names;
    for (const RemoteStatus::Service& each : status_of(remote).services) {
        if (each.expected)
            names.push_back(each.name);
    }
    return names;
}

} // namespace

TEST_CASE("each service of the options is expected to be served, or those that are required")
{
    RunningRemote all(with_another_service(false));
    CHECK(expected_by(all) == std::vector<std::string>{"default", "web"});
    RunningRemote one(with_another_service(true));
    CHECK(expected_by(one) == std::vector<std::string>{"web"});
}

TEST_CASE("the remote proxy tells of an origin proxy while that is logged in")
{
    RunningRemote remote(remote_options());
    CHECK(status_of(remote).origins.empty());
    {
        const HandPlayedOrigin origin = logged_in(remote);
        const RemoteStatus status = status_of(remote);
        REQUIRE(status.origins.size() == 1);
        CHECK(status.origins.at(0).round_trip.has_value());
        CHECK(status.services.at(0).origins == 1);
        CHECK(status.counts.log_ins == 1);
    }
    CHECK(eventually([&] { return status_of(remote).origins.empty(); }));
    CHECK(status_of(remote).counts.log_ins == 1);
}

TEST_CASE("a visitor who waits is told of, and counted by how the waiting ended")
{
    RemoteOptions options = remote_options();
    options.pairing_timeout = std::chrono::milliseconds(300);
    RunningRemote remote(options);
    const HandPlayedOrigin origin = logged_in(remote);
    const auto refused = [&remote](Code reason) {
        for (const RemoteStatus::Refused& each : status_of(remote).visitors_refused) {
            if (each.reason == reason)
                return each.count;
        }
        return std::uint64_t(0);
    };
    Stream visitor = Stream::connect(remote.proxy().outside_endpoint());
    CHECK(eventually([&] { return status_of(remote).services.at(0).counts.visitors == 1; }));
    CHECK(visitor.ending() == Ending::reset);
    CHECK(eventually([&] { return refused(Code::late) == 1; }));
    CHECK(refused(Code::origin_refused) == 0);
    CHECK(status_of(remote).waiting == 0);
    CHECK(status_of(remote).services.at(0).visitors == 0);
}
