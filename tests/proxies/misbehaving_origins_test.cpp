// Origin proxies that fail to log in, or that are trusted no longer.
#include <doctest/doctest.h>

#include "tests/support/stream_frames.hpp"
#include "tests/support/temporary_file.hpp"
#include "tests/support/trusted.hpp"
#include "tests/unit/captured.hpp"

using namespace std::chrono_literals;
using namespace tunnel;
using namespace tunnel::test;

namespace {

// Whether a log-in with this secret is welcome.
bool gets_in(const RunningRemote& remote, const Credential& secret)
{
    try {
        const SecureOrigin origin(remote.proxy().control_endpoint(), secret);
        return true;
    } catch (const std::exception&) {
        return false;
    }
}

} // namespace

TEST_CASE("an address that failed ten times is told for how long, and let in with a good secret")
{
    const Credential secret = some_secret();
    const Server server;
    for (const Encryption encryption : {Encryption::automatic, Encryption::off}) {
        CAPTURE(encryption);
        RemoteOptions options = trusting(secret, encryption);
        options.rules.visitors.trusted.clear(); // this machine is no exception here
        options.handshake_timeout = 200ms;      // of which half is the longest delay
        RunningRemote remote(options);
        bool got_in = false;
        const auto log_with = [&](const Credential& with) {
            OriginOptions origin_with =
                trusting(origin_options(remote.proxy().control_endpoint(), server.endpoint()), with,
                         encryption);
            origin_with.max_retries = 0;
            return log_of([&] {
                RunningOrigin origin(origin_with, nullptr);
                const auto is_in = [](const OriginProxy& proxy) { return proxy.logged_in(); };
                eventually([&] { return origin.ended() || origin.on_its_thread(is_in); });
                got_in = !origin.ended() && origin.on_its_thread(is_in);
            });
        };
        const auto tells = [](const std::string& log, std::string_view part) {
            return log.find(part) != std::string::npos;
        };
        for (int i = 0; i < 10; ++i)
            CHECK(tells(log_with(some_secret()), "does not know this secret"));
        const std::string blocked = log_with(some_secret());
        CAPTURE(blocked);
        CHECK(tells(blocked, "too many log-ins from this address have failed"));
        CHECK((tells(blocked, "for 60 s") || tells(blocked, "for 5")));
        CHECK_FALSE(got_in);
        (void)log_with(secret);
        CHECK(got_in);
        // Who gets in ends the block for all.
        CHECK_FALSE(tells(log_with(some_secret()), "too many log-ins"));
    }
}

TEST_CASE("a log-in with a wrong secret that hangs up before it is told has failed all the same")
{
    RemoteOptions options = trusting(some_secret());
    options.rules.visitors.trusted.clear();
    RunningRemote remote(options);
    const auto failures = [&] {
        return remote.on_its_thread(
            [](const RemoteProxy& proxy) { return proxy.status().counts.no_proof; });
    };
    for (std::uint64_t i = 0; i < 10; ++i) { // the first three have no time to hang up
        asio::io_context io;
        tcp::socket socket(io);
        socket.connect(remote.proxy().control_endpoint());
        const TlsContext context = TlsContext::dials_with_key(true);
        Handshake handshake(context, socket.native_handle(), control_key(some_secret()));
        asio::co_spawn(io, handshake.run(socket), [](const std::exception_ptr&) {});
        io.poll(); // the hello goes out
        socket.set_option(asio::socket_base::linger(true, 0));
        socket.close();
        io.poll();
        CHECK(eventually([&] { return failures() == i + 1; }));
    }
}

TEST_CASE("a good secret is not slowed by others from the same address that fail")
{
    const Credential secret = some_secret();
    const RunningRemote remote(trusting(secret));
    for (int i = 0; i < 5; ++i)
        CHECK_FALSE(gets_in(remote, some_secret()));
    const auto began = Clock::now();
    CHECK(gets_in(remote, secret));
    CHECK(Clock::now() - began < 450ms); // the sixth waits for a second
}

TEST_CASE("whoever is taken out of the file is cut off with its visitors, and nobody else is")
{
    const TemporaryFile file;
    const std::string one = generate_secret();
    const std::string other = generate_secret();
    const std::string cellar = "[origins.cellar]\nsecret = '" + one + "'\n";
    const std::string roof = "[origins.roof]\nsecret = '" + other + "'\n";
    file.write(cellar + roof);
    RemoteOptions options = remote_options();
    options.trust.secrets_file = file.path();
    RunningRemote remote(options);
    const auto reload = [&] { return test::reload(remote, options); };
    SecureOrigin origin(remote.proxy().control_endpoint(), parse_secret(one, "one"));
    Stream visitor = Stream::connect(remote.proxy().outside_endpoint());
    const Ticket ticket = origin.control.receive_frame<Announce>().ticket;
    TlsStream data = origin.dial_back(ticket);
    data.send(Start());
    data.send(data_frame("welcome"));
    CHECK(visitor.receive(7) == "welcome");
    SUBCASE("taken out")
    {
        file.write(roof);
        reload();
        CHECK(visitor.ending() == Ending::reset);
        CHECK(origin.control.receive_frame<Goodbye>().code == Code::not_trusted);
        CHECK_FALSE(gets_in(remote, parse_secret(one, "one")));
        CHECK(gets_in(remote, parse_secret(other, "other")));
    }
    SUBCASE("taken out after the handshake, before the log-in")
    {
        TlsStream late = secure_stream(remote.proxy().control_endpoint(),
                                       control_key(parse_secret(one, "one")), true);
        file.write(roof);
        reload();
        late.send(magic_bytes() + encode(log_in_by_hand()));
        CHECK(late.receive_frame<Reject>().reason == RejectReason::not_trusted);
    }
    SUBCASE("taken out with a visitor who has been claimed, and is never given to it")
    {
        Stream second = Stream::connect(remote.proxy().outside_endpoint());
        TlsStream claimed = origin.dial_back(origin.control.receive_frame<Announce>().ticket);
        file.write(roof);
        reload();
        try {
            claimed.send(Start());
            claimed.send(data_frame("stolen"));
        } catch (const std::exception&) { // closed already
        }
        CHECK(second.ending() == Ending::reset);
    }
    SUBCASE("another one is")
    {
        file.write(cellar);
        reload();
        data.send(data_frame("more"));
        CHECK(visitor.receive(4) == "more");
        CHECK_FALSE(gets_in(remote, parse_secret(other, "other")));
    }
    SUBCASE("given another secret: who knows only the old one is cut off with its visitors")
    {
        const std::string fresh = generate_secret();
        file.write("[origins.cellar]\nsecret = '" + fresh + "'\n" + roof);
        reload();
        CHECK(visitor.ending() == Ending::reset);
        CHECK(origin.control.receive_frame<Goodbye>().code == Code::not_trusted);
        CHECK_FALSE(gets_in(remote, parse_secret(one, "one")));
        CHECK(gets_in(remote, parse_secret(fresh, "fresh")));
    }
    SUBCASE("given another name: it is somebody else from now on, and its visitors are not his")
    {
        file.write("[origins.attic]\nsecret = '" + one + "'\n" + roof);
        reload();
        CHECK(visitor.ending() == Ending::reset);
        CHECK(origin.control.receive_frame<Goodbye>().code == Code::not_trusted);
        CHECK(gets_in(remote, parse_secret(one, "one")));
    }
    SUBCASE("given one secret more: nobody is cut off")
    {
        const std::string fresh = generate_secret();
        file.write("[origins.cellar]\nsecrets = ['" + fresh + "', '" + one + "']\n" + roof);
        reload();
        data.send(data_frame("more"));
        CHECK(visitor.receive(4) == "more");
    }
    SUBCASE("the file is broken: nothing changes")
    {
        file.write("[origins.cellar\n");
        CHECK_FALSE(reload().empty());
        data.send(data_frame("more"));
        CHECK(visitor.receive(4) == "more");
        CHECK(gets_in(remote, parse_secret(one, "one")));
    }
}

TEST_CASE("of several secrets of one name the one that is taken away ends its own visitors alone")
{
    const TemporaryFile file;
    const std::string old = generate_secret();
    const std::string fresh = generate_secret();
    file.write("[origins.cellar]\nsecrets = ['" + old + "', '" + fresh + "']\n");
    RemoteOptions options = remote_options();
    options.trust.secrets_file = file.path();
    options.outside_address = std::nullopt;
    options.services = {{"default", {"127.0.0.1", 0}}}; // which both may serve
    options.services.front().balance = Balance::round_robin;
    options.probe_timeout = 10s; // they are runs of one origin proxy, and asked
    RunningRemote remote(options);
    SecureOrigin one(remote.proxy().control_endpoint(), parse_secret(old, "old"));
    SecureOrigin other(remote.proxy().control_endpoint(), parse_secret(fresh, "fresh"));
    while (!std::holds_alternative<Probe>(one.control.receive_frame())) {
    }
    one.control.send(Heartbeat());
    one.control.send(Probe());
    CHECK(one.control.receive(3) == encode(Heartbeat())); // what was sent before has been heard
    std::vector<Stream> visitors;
    std::vector<TlsStream> data;
    for (SecureOrigin* const origin : {&one, &other}) {
        visitors.push_back(Stream::connect(remote.proxy().outside_endpoint()));
        Frame frame = origin->control.receive_frame();
        while (!std::holds_alternative<Announce>(frame))
            frame = origin->control.receive_frame();
        data.push_back(origin->dial_back(std::get<Announce>(frame).ticket));
        data.back().send(Start());
        data.back().send(data_frame("welcome"));
        CHECK(visitors.back().receive(7) == "welcome");
    }
    file.write("[origins.cellar]\nsecrets = ['" + fresh + "']\n");
    REQUIRE(test::reload(remote, options).empty());
    CHECK(visitors[0].ending() == Ending::reset);
    data[1].send(data_frame("more"));
    CHECK(visitors[1].receive(4) == "more");
}

TEST_CASE("nobody is evicted while it answers, however often another one with its secret comes")
{
    const Credential secret = some_secret();
    RemoteOptions options = trusting(secret);
    options.probe_timeout = 10s;
    const RunningRemote remote(options);
    const tcp::endpoint control = remote.proxy().control_endpoint();
    SecureOrigin holder(control, secret);
    for (int i = 0; i < 5; ++i) {
        TlsStream other = secure_stream(control, control_key(secret), true);
        other.send(magic_bytes() + encode(log_in_by_hand()));
        while (!std::holds_alternative<Probe>(holder.control.receive_frame())) {
        }
        holder.control.send(Heartbeat());
        CHECK(other.receive_frame<Notice>().text.find("in use by origin at ") != std::string::npos);
        const auto reject = other.receive_frame<Reject>();
        CHECK(reject.reason == RejectReason::in_use);
        CHECK(reject.text.find("in use by origin at 127.0.0.1:") != std::string::npos);
    }
}
