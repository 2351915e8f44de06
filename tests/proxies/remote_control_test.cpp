// The remote proxy and its control connections, with origin proxies played by hand.
#include <doctest/doctest.h>

#include <future>

#include <netinet/tcp.h>
#include <sys/socket.h>

#include "common/transport/socket.hpp"
#include "tests/support/proxies.hpp"

using namespace std::chrono_literals;
using namespace tunnel;
using namespace tunnel::test;

namespace {

bool refuses(const tcp::endpoint& endpoint)
{
    try {
        Stream::connect(endpoint);
        return false;
    } catch (const std::system_error& error) {
        return error.code() == std::errc::connection_refused;
    }
}

// Whether the peer has closed or reset the connection, whatever is left to be read.
bool is_over(const Stream& stream)
{
    tcp_info info{};
    socklen_t size = sizeof info;
    ::getsockopt(stream.descriptor(), IPPROTO_TCP, TCP_INFO, &info, &size);
    return info.tcpi_state != TCP_ESTABLISHED;
}

} // namespace

TEST_CASE("the outside address refuses visitors until an origin proxy has logged in")
{
    RunningRemote remote(remote_options());
    CHECK(refuses(remote.proxy().outside_endpoint()));
    const HandPlayedOrigin origin = logged_in(remote);
    CHECK_FALSE(refuses(remote.proxy().outside_endpoint()));
}

TEST_CASE("the welcome tells the version, the outside address and the heartbeat timeout")
{
    RunningRemote remote(remote_options());
    HandPlayedOrigin origin(remote.proxy().control_endpoint());
    const auto welcome = origin.control.receive_frame<Welcome>();
    CHECK(welcome.version == highest_version);
    CHECK(welcome.program_version == TUNNEL_VERSION);
    CHECK(welcome.outside_address == to_string(remote.proxy().outside_endpoint()));
    CHECK(welcome.heartbeat_timeout == 5s);
}

TEST_CASE("an origin proxy of another protocol version is told which versions would fit")
{
    RunningRemote remote(remote_options());
    HandPlayedOrigin origin(remote.proxy().control_endpoint(), {random_bytes()}, [](LogIn& log_in) {
        log_in.lowest_version = 7;
        log_in.highest_version = 9;
    });
    const auto reject = origin.control.receive_frame<Reject>();
    CHECK(reject.reason == RejectReason::version);
    CHECK(reject.text.find("versions 1 to 1") != std::string::npos);
    CHECK(reject.text.find("speaks 7 to 9") != std::string::npos);
    CHECK(origin.control.ending() == Ending::end_of_stream);
}

TEST_CASE("an origin proxy of a later version that still speaks ours is welcome")
{
    RunningRemote remote(remote_options());
    HandPlayedOrigin origin(remote.proxy().control_endpoint(), {random_bytes()},
                            [](LogIn& log_in) { log_in.highest_version = 9; });
    CHECK(origin.control.receive_frame<Welcome>().version == 1);
}

TEST_CASE("an origin proxy that asks for an unknown service is told its name")
{
    RunningRemote remote(remote_options());
    HandPlayedOrigin origin(remote.proxy().control_endpoint(), {random_bytes()},
                            [](LogIn& log_in) { log_in.service = "printer"; });
    const auto reject = origin.control.receive_frame<Reject>();
    CHECK(reject.reason == RejectReason::service);
    CHECK(reject.text.find("printer") != std::string::npos);
}

TEST_CASE("a reject arrives in full though its connection is closed with frames not yet read")
{
    RunningRemote remote(remote_options());
    HandPlayedOrigin holder = logged_in(remote);
    const auto ask = [&](const LogIn& log_in) {
        std::string bytes = magic_bytes() + encode(log_in);
        for (int i = 0; i < 100; ++i) // an origin proxy sends its first at once
            bytes += encode(Heartbeat());
        Stream control = Stream::connect(remote.proxy().control_endpoint());
        const int no = 0; // what is not acknowledged makes what follows wait
        ::setsockopt(control.descriptor(), IPPROTO_TCP, TCP_QUICKACK, &no, sizeof no);
        control.send(bytes);
        return control;
    };
    LogIn log_in;
    SUBCASE("alone")
    {
        log_in.service = std::string(900, 'x'); // repeated in the answer
        for (int i = 0; i < 20; ++i) {
            Stream control = ask(log_in);
            CHECK(eventually([&] { return is_over(control); }));
            const auto reject = control.receive_frame<Reject>();
            CHECK(reject.reason == RejectReason::service);
            CHECK(reject.text.find(log_in.service) != std::string::npos);
        }
    }
    SUBCASE("behind a notice")
    {
        for (int i = 0; i < 20; ++i) {
            Stream control = ask(log_in);
            CHECK(std::holds_alternative<Probe>(holder.control.receive_frame()));
            holder.control.send(Heartbeat());
            CHECK(eventually([&] { return is_over(control); }));
            control.receive_frame<Notice>();
            CHECK(control.receive_frame<Reject>().reason == RejectReason::in_use);
        }
    }
}

TEST_CASE("a log-in that comes byte by byte, with unknown fields and frames behind, is understood")
{
    RunningRemote remote(remote_options());
    LogIn log_in;
    log_in.origin = {random_bytes()};
    log_in.heartbeat_timeout = 10s;
    std::string frame = encode(log_in);
    frame += std::string("\xee\x00\x02hi", 5); // a field of tomorrow
    frame[1] = static_cast<char>(frame[1] + 5);
    const std::string bytes = magic_bytes() + frame + encode(Unknown{201}) + encode(Probe());
    Stream control = Stream::connect(remote.proxy().control_endpoint());
    for (const char byte : bytes)
        control.send(std::string_view(&byte, 1));
    CHECK(std::holds_alternative<Welcome>(control.receive_frame()));
}

TEST_CASE("whoever does not speak the protocol is closed at once")
{
    RunningRemote remote(remote_options());
    const auto endpoint = remote.proxy().control_endpoint();
    for (const std::string& garbage :
         {std::string("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), std::string("\x16\x03\x01\x02\x00", 5),
          std::string(2000, '\0'), magic_bytes() + std::string(3, '\0'),
          magic_bytes() + std::string("\x00\x03\x08", 3),       // a heartbeat for a beginning
          magic_bytes() + std::string("\xff\xff\x01", 3),       // a log-in of 64 KiB
          magic_bytes() + std::string("\x00\x06\x05zzz", 6)}) { // a dial_back without a ticket
        Stream stranger = Stream::connect(endpoint);
        stranger.send(garbage);
        const auto began = Clock::now();
        CHECK(stranger.ending() != Ending::silence);
        CHECK(Clock::now() - began < 2s);
    }
    const HandPlayedOrigin origin = logged_in(remote);
}

TEST_CASE("whoever says nothing, or not all of it, is closed when the time is up")
{
    RemoteOptions options = remote_options();
    options.handshake_timeout = 200ms;
    RunningRemote remote(options);
    Stream silent = Stream::connect(remote.proxy().control_endpoint());
    Stream half = Stream::connect(remote.proxy().control_endpoint());
    half.send(magic_bytes());
    const auto began = Clock::now();
    CHECK(silent.ending() != Ending::silence);
    CHECK(half.ending() != Ending::silence);
    CHECK(Clock::now() - began < 2s);
}

TEST_CASE("of too many connections that have said nothing the oldest goes first")
{
    RemoteOptions options = remote_options();
    options.descriptor_limit = 64; // leaves room for ten of them
    RunningRemote remote(options);
    std::vector<Stream> strangers;
    for (int i = 0; i < 30; ++i)
        strangers.push_back(Stream::connect(remote.proxy().control_endpoint()));
    CHECK(strangers.front().ending(2s) != Ending::silence);
    CHECK(strangers.back().ending(100ms) == Ending::silence);
    HandPlayedOrigin origin = logged_in(remote); // the newest are let speak
}

TEST_CASE("the same origin proxy takes its place over at once, and another is told in use")
{
    RunningRemote remote(remote_options());
    HandPlayedOrigin first = logged_in(remote);

    HandPlayedOrigin returned = logged_in(remote, first.id);
    CHECK(first.control.ending() != Ending::silence);

    HandPlayedOrigin other(remote.proxy().control_endpoint());
    CHECK(std::holds_alternative<Notice>(other.control.receive_frame()));
    CHECK(std::holds_alternative<Probe>(returned.control.receive_frame()));
    returned.control.send(Heartbeat());
    const auto reject = other.control.receive_frame<Reject>();
    CHECK(reject.reason == RejectReason::in_use);
    CHECK(returned.control.ending(100ms) == Ending::silence); // it lives
}

TEST_CASE("a holder that does not answer the probe loses its place to the newcomer")
{
    RunningRemote remote(remote_options());
    HandPlayedOrigin silent = logged_in(remote);
    HandPlayedOrigin newcomer(remote.proxy().control_endpoint());
    const auto began = Clock::now();
    CHECK(std::holds_alternative<Notice>(newcomer.control.receive_frame()));
    CHECK(std::holds_alternative<Welcome>(newcomer.control.receive_frame()));
    CHECK(Clock::now() - began < 2s);
    CHECK(silent.control.ending() != Ending::silence);
}

TEST_CASE("an origin proxy that falls silent is let go after the heartbeat timeout")
{
    Clock::Steered clock;
    RemoteOptions options = remote_options();
    options.common.heartbeat_interval = 10s;
    options.common.heartbeat_timeout = 40s;
    options.pairing_timeout = 10s;
    RunningRemote remote(options);
    HandPlayedOrigin origin = logged_in(remote);
    clock.advance(39s);
    CHECK(origin.control.ending(100ms) == Ending::silence);
    clock.advance(2s);
    CHECK(origin.control.ending() != Ending::silence);
    clock.advance(9s);
    CHECK_FALSE(refuses(remote.proxy().outside_endpoint()));
    clock.advance(2s);
    CHECK(eventually([&] { return refuses(remote.proxy().outside_endpoint()); }));
}

TEST_CASE("a probe is answered by a heartbeat at once")
{
    RemoteOptions options = remote_options();
    options.common.heartbeat_interval = 1h;
    options.common.heartbeat_timeout = 1h;
    RunningRemote remote(options);
    HandPlayedOrigin origin(remote.proxy().control_endpoint(), {random_bytes()},
                            [](LogIn& log_in) { log_in.heartbeat_timeout = 10h; });
    origin.control.receive_frame<Welcome>();
    origin.control.send(Probe());
    CHECK(origin.control.receive(3) == encode(Heartbeat())); // the first of the log-in
    CHECK(origin.control.receive(3) == encode(Heartbeat()));
}

TEST_CASE("heartbeats come as often as the origin proxy needs them")
{
    RemoteOptions options = remote_options();
    options.common.heartbeat_interval = 1h;
    options.common.heartbeat_timeout = 2h;
    RunningRemote remote(options);
    HandPlayedOrigin origin(remote.proxy().control_endpoint(), {random_bytes()},
                            [](LogIn& log_in) { log_in.heartbeat_timeout = 90ms; });
    origin.control.receive_frame<Welcome>();
    for (int i = 0; i < 5; ++i)
        CHECK(origin.control.receive(3) == encode(Heartbeat()));
}

TEST_CASE("the outside address stays open through an outage and shuts after a long one")
{
    Clock::Steered clock;
    RemoteOptions options = remote_options();
    options.pairing_timeout = 10s;
    RunningRemote remote(options);
    const auto outside = remote.proxy().outside_endpoint();
    HandPlayedOrigin origin = logged_in(remote);
    origin.control.reset();

    Stream visitor = Stream::connect(outside); // in the outage
    CHECK(eventually([&] {
        return remote.on_its_thread([](RemoteProxy& proxy) { return proxy.visitors(); }) == 1;
    }));
    clock.advance(9s);
    CHECK(visitor.ending(100ms) == Ending::silence);
    clock.advance(2s);
    CHECK(visitor.ending() == Ending::reset); // nobody came for it in time
    CHECK(eventually([&] { return refuses(outside); }));

    const HandPlayedOrigin back = logged_in(remote, origin.id);
    CHECK_FALSE(refuses(outside));
}

TEST_CASE(
    "a stranger who sends unknown frames without a pause is closed in time, and holds up nobody")
{
    RemoteOptions options = remote_options();
    options.handshake_timeout = 300ms;
    const RunningRemote remote(options);
    Stream stranger = Stream::connect(remote.proxy().control_endpoint());
    auto sending = std::async(std::launch::async, [&] {
        const std::string first = std::string("\0\x20\xc8\x63\0\x1a", 6) + std::string(26, 'x');
        stranger.send(magic_bytes() + first);
        std::string unknown;
        for (int i = 0; i < 20'000; ++i)
            unknown += std::string("\0\3\xc8", 3);
        const auto began = Clock::now();
        try {
            for (;;) {
                stranger.send(unknown);
            }
        } catch (const std::system_error&) {
        }
        return Clock::now() - began;
    });
    const HandPlayedOrigin origin = logged_in(remote);
    CHECK(sending.get() < 5s);
}

TEST_CASE("two remote proxies cannot have one outside address, listening or not")
{
    RunningRemote remote(remote_options());
    RemoteOptions options = remote_options();
    options.outside_address->port = remote.proxy().outside_endpoint().port();
    asio::io_context io;
    CHECK_THROWS_WITH_AS(RemoteProxy(io, options),
                         doctest::Contains(std::to_string(options.outside_address->port).c_str()),
                         std::system_error);
    const HandPlayedOrigin origin = logged_in(remote);
    CHECK_THROWS_AS(RemoteProxy(io, options), std::system_error);
}
