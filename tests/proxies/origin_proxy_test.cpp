// The origin proxy, with remote proxies played by hand.
#include <doctest/doctest.h>

#include "common/transport/socket.hpp"
#include "tests/support/proxies.hpp"

using namespace std::chrono_literals;
using namespace tunnel;
using namespace tunnel::test;

namespace {

// A remote proxy played by hand and an origin server, with the origin proxy between them.
struct Played {
    explicit Played(const std::function<void(OriginOptions&)>& change = {})
    {
        OriginOptions options = origin_options(remote.endpoint(), origin_server.endpoint());
        if (change)
            change(options);
        proxy.emplace(options, nullptr);
    }

    // Accepts a control connection and reads the log-in.
    Stream accept_control()
    {
        Stream control = remote.accept();
        CHECK(control.receive(magic.size()) == magic_bytes());
        log_in = control.receive_frame<LogIn>();
        return control;
    }

    Stream welcome(std::chrono::milliseconds heartbeat_timeout = 10s)
    {
        Stream control = accept_control();
        Welcome welcome;
        welcome.version = 1;
        welcome.outside_address = "192.0.2.1:80";
        welcome.heartbeat_timeout = heartbeat_timeout;
        control.send(welcome);
        return control;
    }

    // Accepts a data connection and reads its ticket.
    Stream accept_data(const Ticket& ticket)
    {
        Stream data = remote.accept();
        CHECK(data.receive(magic.size()) == magic_bytes());
        CHECK((data.receive_frame<DialBack>().ticket == ticket));
        return data;
    }

    Server remote;
    Server origin_server;
    LogIn log_in;
    std::optional<RunningOrigin> proxy;
};

} // namespace

TEST_CASE("the log-in names version, service, heartbeat timeout and the same random id each time")
{
    Played played;
    Stream control = played.welcome();
    const LogIn first = played.log_in;
    CHECK(first.lowest_version == lowest_version);
    CHECK(first.highest_version == highest_version);
    CHECK(first.program_version == TUNNEL_VERSION);
    CHECK(first.service == default_service);
    CHECK(first.heartbeat_timeout == 5s);
    CHECK(first.origin != OriginId());
    control.reset();
    Stream again = played.welcome();
    CHECK((played.log_in.origin == first.origin));
    Played other;
    other.welcome();
    CHECK((other.log_in.origin != first.origin));
}

TEST_CASE("an announced visitor is joined with the origin server")
{
    Played played;
    Stream control = played.welcome();
    const Announce announce = announcement();
    control.send(announce);
    Stream data = played.accept_data(announce.ticket);
    CHECK((data.receive_frame<Start>() == Start()));
    Stream server = played.origin_server.accept();
    server.send("banner"); // the server speaks first
    CHECK(data.receive(6) == "banner");
    data.send("question");
    data.finish();
    CHECK(server.receive_all() == "question");
    server.send("answer");
    server.finish();
    CHECK(data.receive_all() == "answer");
}

TEST_CASE("the origin server's refusal is told with its reason")
{
    Played played([](OriginOptions& options) {
        const Server gone; // its port is free again at the end of this
        options.origin_server_address.port = gone.endpoint().port();
    });
    Stream control = played.welcome();
    const Announce announce = announcement();
    control.send(announce);
    const auto refuse = control.receive_frame<Refuse>();
    CHECK((refuse.ticket == announce.ticket));
    CHECK(refuse.code == Code::origin_server_refused);
    CHECK(eventually([&] {
        return played.proxy->on_its_thread([](OriginProxy& proxy) { return proxy.visitors(); }) ==
               0;
    }));
}

TEST_CASE("a visitor whose data connection cannot be made is refused with the reason")
{
    Played played;
    Stream control = played.welcome();
    const std::string address = to_string(played.remote.endpoint());
    played.remote = Server(); // elsewhere
    const Announce announce = announcement();
    control.send(announce);
    const auto refuse = control.receive_frame<Refuse>();
    CHECK((refuse.ticket == announce.ticket));
    CHECK(refuse.text.find(address) != std::string::npos);
    CHECK(refuse.code == Code::data_connection_lost);
    CHECK(played.origin_server.accept().ending() == Ending::reset);
    CHECK(eventually([&] {
        return played.proxy->on_its_thread([](OriginProxy& proxy) { return proxy.visitors(); }) ==
               0;
    }));
}

TEST_CASE("a refusal that comes after the ticket goes the same way, so nothing overtakes it")
{
    const DeafServer deaf;
    Played played([&](OriginOptions& options) {
        options.origin_server_address = {"127.0.0.1", deaf.endpoint().port()};
        options.dial_timeout = 300ms;
    });
    Stream control = played.welcome();
    const Announce announce = announcement();
    control.send(announce);
    Stream data = played.accept_data(announce.ticket);
    const auto refuse = data.receive_frame<Refuse>();
    CHECK((refuse.ticket == announce.ticket));
    CHECK(refuse.code == Code::origin_server_timeout);
    CHECK(data.ending() == Ending::end_of_stream);
}

TEST_CASE("an announcement of a service that is not here is refused")
{
    Played played;
    Stream control = played.welcome();
    Announce announce = announcement();
    announce.service = "printer";
    control.send(announce);
    CHECK((control.receive_frame<Refuse>().ticket == announce.ticket));
    CHECK_FALSE(played.origin_server.pending_within(50ms));
}

TEST_CASE("frames and fields of tomorrow are skipped")
{
    Played played;
    Stream control = played.welcome();
    const Announce announce = announcement();
    std::string frame = encode(announce);
    frame += std::string("\xee\x00\x02hi", 5);
    frame[1] = static_cast<char>(frame[1] + 5);
    control.send(encode(Unknown{200}) + frame);
    played.accept_data(announce.ticket);
}

TEST_CASE("a second welcome on one control connection ends it")
{
    Played played;
    Stream control = played.welcome();
    Welcome again;
    again.version = 1;
    again.outside_address = "192.0.2.1:81";
    again.heartbeat_timeout = 10s;
    const auto began = Clock::now();
    control.send(again);
    CHECK(control.ending(10s) != Ending::silence);
    CHECK(Clock::now() - began < 4s); // sooner than for want of heartbeats
    played.welcome();                 // and it comes back
}

TEST_CASE("a lost control connection is made anew, and visitors that are served live on")
{
    Played played;
    Stream control = played.welcome();
    const Announce announce = announcement();
    control.send(announce);
    Stream data = played.accept_data(announce.ticket);
    data.receive_frame<Start>();
    Stream server = played.origin_server.accept();
    control.reset();
    Stream again = played.welcome();
    data.send("still");
    CHECK(server.receive(5) == "still");
}

TEST_CASE("a remote proxy that falls silent is given up after the heartbeat timeout")
{
    Played played([](OriginOptions& options) { options.common.heartbeat_timeout = 200ms; });
    SUBCASE("before the log-in is answered")
    {
        Stream mute = played.accept_control();
        CHECK(mute.ending() != Ending::silence);
    }
    SUBCASE("after it")
    {
        Stream mute = played.welcome();
        CHECK(mute.ending() != Ending::silence);
    }
    played.welcome();
}

TEST_CASE("heartbeats come as often as the remote proxy needs them")
{
    Played played([](OriginOptions& options) {
        options.common.heartbeat_interval = 1h;
        options.common.heartbeat_timeout = 2h;
    });
    Stream control = played.welcome(90ms);
    for (int i = 0; i < 5; ++i)
        CHECK(control.receive(3) == encode(Heartbeat()));
}

TEST_CASE(
    "the origin proxy gives up after so many retries in a row, and a log-in starts the count anew")
{
    Played played([](OriginOptions& options) { options.max_retries = 2; });
    played.accept_control().reset();
    played.welcome().reset();
    for (int i = 0; i < 2; ++i) {
        CHECK_FALSE(played.proxy->ended());
        played.accept_control().reset();
    }
    CHECK(eventually([&] { return played.proxy->ended(); }));
    CHECK(played.proxy->proxy().gave_up());
}

TEST_CASE("a rejected log-in is tried again")
{
    Played played;
    Stream control = played.accept_control();
    control.send(Reject{RejectReason::in_use, "somebody else is here"});
    played.welcome();
}

TEST_CASE("a stop says goodbye, lets visitors finish, and then ends")
{
    Played played;
    Stream control = played.welcome();
    const Announce announce = announcement();
    control.send(announce);
    Stream data = played.accept_data(announce.ticket);
    data.receive_frame<Start>();
    Stream server = played.origin_server.accept();
    played.proxy->stop_gently();
    CHECK(std::holds_alternative<Goodbye>(control.receive_frame()));
    CHECK(control.ending() == Ending::end_of_stream);
    data.send("last words");
    data.finish();
    CHECK(server.receive_all() == "last words");
    CHECK_FALSE(played.proxy->ended());
    server.finish();
    CHECK(data.receive_all().empty());
    CHECK(eventually([&] { return played.proxy->ended(); }));
    CHECK_FALSE(played.proxy->proxy().gave_up());
}

TEST_CASE("with few descriptors announcements wait for their turn")
{
    Played played([](OriginOptions& options) { options.descriptor_limit = 30; }); // two at a time
    Stream control = played.welcome();
    std::vector<Stream> kept;
    for (int i = 0; i < 3; ++i)
        control.send(announcement());
    for (int i = 0; i < 2; ++i)
        kept.push_back(played.origin_server.accept());
    CHECK_FALSE(played.origin_server.pending_within(100ms));
    kept.front().reset();
    CHECK(played.origin_server.pending_within(5s));
}
