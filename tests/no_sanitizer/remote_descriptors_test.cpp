// The remote proxy when the system has no descriptor for whoever connects.
#include <doctest/doctest.h>

#include <ctime>
#include <functional>
#include <vector>

#include <sys/socket.h>

#include "tests/support/no_more_descriptors.hpp"
#include "tests/support/proxies.hpp"

using namespace std::chrono_literals;
using namespace tunnel;
using namespace tunnel::test;

namespace {

// Processor time that the proxy's thread has used.
Clock::duration used_by(RunningRemote& remote)
{
    return remote.on_its_thread([](RemoteProxy&) {
        timespec used{};
        ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
        return std::chrono::seconds(used.tv_sec) + std::chrono::nanoseconds(used.tv_nsec);
    });
}

std::size_t visitors(RunningRemote& remote)
{
    return remote.on_its_thread([](RemoteProxy& proxy) { return proxy.visitors(); });
}

// A visitor and its data connection.
struct Served {
    Stream visitor;
    Stream data;
};

Served serve(const RunningRemote& remote, HandPlayedOrigin& origin)
{
    Stream visitor = Stream::connect(remote.proxy().outside_endpoint());
    const Ticket ticket = origin.control.receive_frame<Announce>().ticket;
    Stream data = dial_back(remote.proxy().control_endpoint(), ticket);
    data.send(encode(Start()) + "!");
    CHECK(visitor.receive(1) == "!");
    return {std::move(visitor), std::move(data)};
}

} // namespace

TEST_CASE("a connection that cannot be accepted for want of descriptors costs no processor time" *
          doctest::skip(sanitizer_needs_descriptors))
{
    constexpr std::size_t capacity = 5;
    RemoteOptions options = remote_options();
    options.descriptor_limit = 40; // leaves room for so many visitors
    options.pairing_timeout = 300ms;
    RunningRemote remote(options);
    HandPlayedOrigin origin = logged_in(remote);
    tcp::endpoint target = remote.proxy().outside_endpoint();
    std::vector<Served> served;
    std::function<void(Stream&)> in_the_end;
    SUBCASE("of a visitor, when there is room for it")
    {
        in_the_end = [&](Stream&) { origin.control.receive_frame<Announce>(); };
    }
    SUBCASE("of a visitor, when there is none")
    {
        while (served.size() < capacity)
            served.push_back(serve(remote, origin));
        in_the_end = [&](Stream& late) {
            CHECK(late.ending() == Ending::reset); // has waited for too long
            served.pop_back();
            CHECK(eventually([&] { return visitors(remote) < capacity; }));
            serve(remote, origin);
        };
    }
    SUBCASE("of somebody at the control address")
    {
        target = remote.proxy().control_endpoint();
        in_the_end = [](Stream& late) {
            late.send("who are you?");
            CHECK(late.ending() != Ending::silence);
        };
    }
    Stream late(Fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)));
    {
        const NoMoreDescriptors none;
        REQUIRE(::connect(late.descriptor(), target.data(),
                          static_cast<socklen_t>(target.size())) == 0);
        const auto before = used_by(remote);
        CHECK(late.ending(500ms) == Ending::silence);
        CHECK(used_by(remote) - before < 50ms);
    }
    in_the_end(late);
}
