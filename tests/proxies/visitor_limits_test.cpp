// Limits on visitors, in a remote proxy with an origin proxy played by hand.
#include <doctest/doctest.h>

#include <cerrno>

#include <sys/socket.h>

#include "tests/support/proxies.hpp"
#include "tests/support/stream_frames.hpp"

using namespace std::chrono_literals;
using namespace tunnel;
using namespace tunnel::test;

namespace {

// Visitors of loopback are limited by address too.
RemoteOptions limited()
{
    RemoteOptions options = remote_options();
    options.rules.visitors.trusted.clear();
    return options;
}

struct Remote {
    explicit Remote(const RemoteOptions& options, bool parks = false)
        : proxy(options),
          origin(proxy.proxy().control_endpoint(), {random_bytes()}, [parks](LogIn& log_in) {
              if (parks)
                  log_in.features.emplace_back(feature::parking);
          })
    {
        session = origin.control.receive_frame<Welcome>().session;
    }

    // From one of this machine's many addresses. Reset so early that it is still connecting, it is
    // a stream without a socket.
    Stream visit(const char* from = "127.0.0.1")
    {
        Fd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
        const tcp::endpoint source(asio::ip::make_address(from), 0);
        REQUIRE(::bind(socket.get(), source.data(), static_cast<socklen_t>(source.size())) == 0);
        const tcp::endpoint target = proxy.proxy().outside_endpoint();
        if (::connect(socket.get(), target.data(), static_cast<socklen_t>(target.size())) != 0) {
            REQUIRE(errno == ECONNRESET);
            return Stream(Fd());
        }
        return Stream(std::move(socket));
    }

    static bool stays(Stream visitor, std::chrono::milliseconds limit = 100ms)
    {
        return visitor.descriptor() >= 0 && visitor.ending(limit) == Ending::silence;
    }

    bool refuses(const char* from = "127.0.0.1")
    {
        Stream visitor = visit(from);
        return visitor.descriptor() < 0 || visitor.ending() == Ending::reset;
    }

    Stream serve(Stream& visitor)
    {
        const Ticket ticket = origin.control.receive_frame<Announce>().ticket;
        Stream data = dial_back(proxy.proxy().control_endpoint(), ticket);
        data.send(encode(Start()) + "!");
        CHECK(visitor.receive(1) == "!");
        return data;
    }

    std::size_t visitors()
    {
        return proxy.on_its_thread([](RemoteProxy& remote) { return remote.visitors(); });
    }

    bool gets_empty()
    {
        return eventually([this] { return visitors() == 0; });
    }

    RunningRemote proxy;
    HandPlayedOrigin origin;
    std::optional<SessionId> session;
};

} // namespace

TEST_CASE("a visitor beyond the limit is reset, and the next is served when one has left")
{
    RemoteOptions options = limited();
    options.rules.visitors.max_connections = 2;
    Remote remote(options);
    Stream waiting = remote.visit();
    Stream served = remote.visit("127.0.0.2");
    CHECK(remote.refuses("127.0.0.3"));
    CHECK(waiting.ending(50ms) == Ending::silence);
    remote.serve(waiting);
    waiting.reset();
    Stream data = remote.serve(served);
    CHECK(eventually([&] { return remote.visitors() == 1; }));
    Stream next = remote.visit("127.0.0.3");
    remote.serve(next);
}

TEST_CASE("a visitor beyond its address's limit is reset, and others are served")
{
    RemoteOptions options = limited();
    options.rules.visitors.max_connections_per_ip = 1;
    Remote remote(options);
    Stream first = remote.visit("127.0.0.2");
    CHECK(remote.refuses("127.0.0.2"));
    Stream other = remote.visit("127.0.0.3");
    Stream first_data = remote.serve(first);
    Stream other_data = remote.serve(other);
    CHECK(remote.refuses("127.0.0.2"));
    CHECK(remote.refuses("127.0.0.3"));
}

TEST_CASE("whichever way a visitor ends, its place is free again")
{
    RemoteOptions options = limited();
    options.rules.visitors.max_connections_per_ip = 1;
    SUBCASE("it is refused by the origin proxy")
    {
        Remote remote(options);
        for (int i = 0; i < 3; ++i) {
            Stream visitor = remote.visit();
            const Ticket ticket = remote.origin.control.receive_frame<Announce>().ticket;
            remote.origin.control.send(Refuse{ticket, "no such server"});
            CHECK(visitor.ending() == Ending::reset);
            CHECK(remote.gets_empty());
        }
    }
    SUBCASE("nobody comes for it in time")
    {
        options.pairing_timeout = 100ms;
        Remote remote(options);
        for (int i = 0; i < 3; ++i) {
            Stream visitor = remote.visit();
            remote.origin.control.receive_frame<Announce>();
            CHECK(visitor.ending() == Ending::reset);
            CHECK(remote.gets_empty());
        }
    }
    SUBCASE("its data connections break")
    {
        Remote remote(options);
        for (int i = 0; i < 3; ++i) {
            Stream visitor = remote.visit();
            for (int attempt = 0; attempt < 2; ++attempt) {
                const Ticket ticket = remote.origin.control.receive_frame<Announce>().ticket;
                dial_back(remote.proxy.proxy().control_endpoint(), ticket).finish();
            }
            CHECK(visitor.ending() == Ending::reset);
            CHECK(remote.gets_empty());
        }
    }
    SUBCASE("it has come to its end")
    {
        Remote remote(options);
        for (int i = 0; i < 3; ++i) {
            Stream visitor = remote.visit();
            Stream data = remote.serve(visitor);
            visitor.finish();
            data.finish();
            CHECK(visitor.receive_all().empty());
            CHECK(remote.gets_empty());
        }
    }
    SUBCASE("too many wait")
    {
        options.max_waiting = 1;
        Remote remote(options);
        Stream waiting = remote.visit("127.0.0.2");
        for (int i = 0; i < 3; ++i)
            CHECK(remote.refuses("127.0.0.3"));
        Stream data = remote.serve(waiting);
        Stream visitor = remote.visit("127.0.0.3");
        remote.serve(visitor);
    }
}

TEST_CASE("a visitor whose parked connection was dead counts once")
{
    RemoteOptions options = limited();
    options.rules.visitors.max_connections_per_ip = 1;
    options.rules.visitors.max_new_per_second_per_ip = 1;
    Remote remote(options, true);
    Stream parked = Stream::connect(remote.proxy.proxy().control_endpoint());
    parked.send(magic_bytes() + encode(Park{remote.session.value()}));
    CHECK(eventually([&] {
        return remote.proxy.on_its_thread([](RemoteProxy& proxy) { return proxy.parked(); }) == 1;
    }));
    {
        Stream visitor = remote.visit();
        visitor.send("question");
        parked.receive_frame<Announce>();
        parked.reset();
        const Ticket ticket = remote.origin.control.receive_frame<Announce>().ticket;
        CHECK(remote.refuses());
        Stream fresh = dial_back(remote.proxy.proxy().control_endpoint(), ticket);
        fresh.send(Start());
        CHECK(fresh.receive(11) == data_frame("question"));
        CHECK(remote.refuses());
        visitor.reset();
    }
    CHECK(remote.gets_empty());
    // A second after it came, and not two.
    CHECK(eventually([&] { return Remote::stays(remote.visit()); }));
}

TEST_CASE("one address that fills the room of those who wait keeps nobody else out")
{
    RemoteOptions options = limited();
    options.max_waiting = 16;
    Remote remote(options);
    Stream early = remote.visit("127.0.0.8");
    std::vector<Stream> crowd;
    for (int i = 0; i < 40; ++i)
        crowd.push_back(remote.visit("127.0.0.9"));
    SUBCASE("and stays connected") {}
    SUBCASE("and resets every connection at once")
    {
        crowd.clear();
    }
    Stream late = remote.visit("127.0.0.10");
    CHECK(Remote::stays(std::move(late)));
    CHECK(eventually([&] { return remote.visitors() == 16; }));
    CHECK(remote.refuses("127.0.0.9"));
    remote.serve(early); // who had come before them all
}

TEST_CASE("so many may come from one address within a second, and then again")
{
    RemoteOptions options = limited();
    options.rules.visitors.max_new_per_second_per_ip = 2;
    Remote remote(options);
    const auto began = Clock::now();
    std::vector<Stream> visitors;
    for (int i = 0; i < 20; ++i)
        visitors.push_back(remote.visit("127.0.0.2"));
    int served = 0;
    for (Stream& visitor : visitors)
        served += Remote::stays(std::move(visitor)) ? 1 : 0;
    CHECK(served >= 2);
    CHECK(served <= 2 + (Clock::now() - began) / 500ms);
    CHECK(Remote::stays(remote.visit("127.0.0.3")));
    CHECK(eventually([&] { return Remote::stays(remote.visit("127.0.0.2")); }));
}

TEST_CASE("visitors who are not allowed, and those who are denied, are reset")
{
    RemoteOptions options = limited();
    options.rules.visitors.allow = {parse_cidr("127.0.0.0/30")};
    options.rules.visitors.deny = {parse_cidr("127.0.0.2")};
    Remote remote(options);
    CHECK(remote.refuses("127.0.0.2"));
    CHECK(remote.refuses("127.0.0.4"));
    Stream visitor = remote.visit("127.0.0.3");
    remote.serve(visitor);
}

TEST_CASE("a stop with visitors who are counted ends as any other")
{
    RemoteOptions options = limited();
    options.rules.visitors.max_connections_per_ip = 5;
    options.common.grace_period = 50ms;
    Remote remote(options);
    Stream served = remote.visit();
    Stream data = remote.serve(served);
    Stream claimed = remote.visit();
    const Ticket ticket = remote.origin.control.receive_frame<Announce>().ticket;
    Stream silent = dial_back(remote.proxy.proxy().control_endpoint(), ticket);
    Stream waiting = remote.visit();
    remote.proxy.stop_gently();
    for (Stream* stream : {&served, &claimed, &waiting})
        CHECK(stream->ending() == Ending::reset);
    CHECK(eventually([&] { return remote.proxy.ended(); }));
}
