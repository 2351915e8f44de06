// Parked data connections: each proxy against a peer played by hand, who may do anything.
#include <doctest/doctest.h>

#include "tests/support/proxies.hpp"
#include "tests/support/stream_frames.hpp"

using namespace std::chrono_literals;
using namespace tunnel;
using namespace tunnel::test;

namespace {

// A remote proxy, and an origin proxy played by hand that parks.
struct Remote {
    explicit Remote(const RemoteOptions& options = remote_options())
        : proxy(options),
          origin(proxy.proxy().control_endpoint(), {random_bytes()},
                 [](LogIn& log_in) { log_in.features.emplace_back(feature::parking); })
    {
        session = origin.control.receive_frame<Welcome>().session.value();
    }

    std::size_t parked()
    {
        return proxy.on_its_thread([](RemoteProxy& remote) { return remote.parked(); });
    }

    Stream park()
    {
        const std::size_t before = parked();
        Stream data = Stream::connect(proxy.proxy().control_endpoint());
        data.send(magic_bytes() + encode(Park{session}));
        CHECK(eventually([&] { return parked() == before + 1; }));
        return data;
    }

    Stream visit() { return Stream::connect(proxy.proxy().outside_endpoint()); }

    // A fresh data connection for `ticket`, on which the origin server has been reached.
    Stream started(const Ticket& ticket)
    {
        Stream fresh = dial_back(proxy.proxy().control_endpoint(), ticket);
        fresh.send(Start());
        return fresh;
    }

    RunningRemote proxy;
    HandPlayedOrigin origin;
    SessionId session;
};

// An origin proxy, and a remote proxy played by hand that lets it park.
struct Origin {
    explicit Origin(const std::function<void(OriginOptions&)>& change = {})
    {
        OriginOptions options = origin_options(remote.endpoint(), server.endpoint());
        if (change)
            change(options);
        proxy.emplace(options, nullptr);
        control.emplace(remote.accept());
        control->receive(magic.size());
        log_in = control->receive_frame<LogIn>();
        welcome.version = 1;
        welcome.outside_address = "192.0.2.1:80";
        welcome.heartbeat_timeout = 10s;
        welcome.session = SessionId{random_bytes()};
    }

    Stream parked()
    {
        Stream data = remote.accept();
        CHECK(data.receive(magic.size()) == magic_bytes());
        CHECK(data.receive_frame<Park>().session == *welcome.session);
        return data;
    }

    void check_that_it_answers()
    {
        control->send(Probe());
        CHECK(control->receive(3) == encode(Heartbeat()));
    }

    Server remote;
    Server server;
    std::optional<RunningOrigin> proxy;
    std::optional<Stream> control;
    LogIn log_in;
    Welcome welcome;
};

} // namespace

TEST_CASE("a visitor is announced on a parked connection, which then serves the next")
{
    Remote remote;
    Stream data = remote.park();
    for (int i = 0; i < 3; ++i) {
        Stream visitor = remote.visit();
        visitor.send("question");
        data.receive_frame<Announce>();
        CHECK(data.receive(11) == data_frame("question"));
        data.send(start_frame);
        data.send(data_frame("answer").append(end_frame));
        CHECK(visitor.receive_all() == "answer");
        visitor.finish();
        CHECK(data.receive(3) == end_frame);
        CHECK(eventually([&] { return remote.parked() == 1; }));
    }
}

TEST_CASE("whoever comes while others wait for fresh connections takes a parked one all the same")
{
    Remote remote;
    Stream early = remote.visit(); // nothing is parked yet
    const Ticket ticket = remote.origin.control.receive_frame<Announce>().ticket;
    Stream data = remote.park();
    Stream late = remote.visit();
    late.send("question");
    data.receive_frame<Announce>();
    CHECK(data.receive(11) == data_frame("question"));
    data.send(data_frame("answer"));
    CHECK(late.receive(6) == "answer");

    Stream fresh = remote.started(ticket);
    fresh.send(data_frame("first"));
    CHECK(early.receive(5) == "first");
}

TEST_CASE("a parked connection that breaks before the start costs its visitor nothing")
{
    Remote remote;
    Stream data = remote.park();
    Stream visitor = remote.visit();
    visitor.send("question");
    const Ticket ticket = data.receive_frame<Announce>().ticket;
    CHECK(data.receive(11) == data_frame("question"));
    SUBCASE("by a reset")
    {
        data.reset();
    }
    SUBCASE("by its end")
    {
        data.finish();
    }
    // With the same ticket, so that the origin proxy can tell whether it was served already.
    CHECK((remote.origin.control.receive_frame<Announce>().ticket == ticket));
    Stream fresh = remote.started(ticket);
    CHECK(fresh.receive(11) == data_frame("question"));
    fresh.send(data_frame("answer"));
    CHECK(visitor.receive(6) == "answer");
}

TEST_CASE("when a parked connection was dead, the older ones are closed and those that came since "
          "are kept")
{
    Remote remote;
    Stream older = remote.park();
    Stream dead = remote.park();
    Stream visitor = remote.visit();
    visitor.send("question");
    dead.receive_frame<Announce>();
    Stream since = remote.park();
    dead.finish();

    const auto announced = remote.origin.control.receive_frame<Announce>();
    CHECK(eventually([&] { return remote.parked() == 1; }));
    CHECK(older.ending() != Ending::silence);
    Stream fresh = remote.started(announced.ticket);
    CHECK(fresh.receive(11) == data_frame("question"));

    Stream next = remote.visit();
    since.receive_frame<Announce>();
}

TEST_CASE("a visitor whose first bytes were sent to an origin proxy that is gone is let go")
{
    Remote remote;
    Stream data = remote.park();
    Stream visitor = remote.visit();
    SUBCASE("if another one comes")
    {
        visitor.send("question");
        data.receive_frame<Announce>();
        CHECK(data.receive(11) == data_frame("question"));
        data.reset();
        remote.origin.control.receive_frame<Announce>();
        remote.origin.control.reset();
        const HandPlayedOrigin other = logged_in(remote.proxy);
        CHECK(visitor.ending() == Ending::reset);
    }
    SUBCASE("but not if it had sent none")
    {
        data.receive_frame<Announce>();
        data.reset();
        remote.origin.control.receive_frame<Announce>();
        remote.origin.control.reset();
        HandPlayedOrigin other = logged_in(remote.proxy);
        const Ticket ticket = other.control.receive_frame<Announce>().ticket;
        Stream fresh = remote.started(ticket);
        fresh.send("served");
        CHECK(visitor.receive(6) == "served");
    }
}

TEST_CASE("a parked connection that has died unseen is passed over")
{
    Remote remote;
    {
        Stream dead = remote.park();
    }
    Stream visitor = remote.visit();
    const Ticket ticket = remote.origin.control.receive_frame<Announce>().ticket;
    Stream fresh = remote.started(ticket);
    fresh.send(data_frame("!"));
    CHECK(visitor.receive(1) == "!");
}

TEST_CASE("an announcement that is never answered resets its visitor after the pairing timeout")
{
    RemoteOptions options = remote_options();
    options.pairing_timeout = 100ms;
    Remote remote(options);
    Stream data = remote.park();
    Stream visitor = remote.visit();
    data.receive_frame<Announce>();
    CHECK(visitor.ending() == Ending::reset);
    CHECK(data.receive_all().empty()); // without an end frame; a reset could hit what was before
}

TEST_CASE("whoever does not know the session cannot park")
{
    Remote remote;
    Stream stranger = Stream::connect(remote.proxy.proxy().control_endpoint());
    stranger.send(magic_bytes() + encode(Park{SessionId{random_bytes()}}));
    CHECK(stranger.ending() != Ending::silence);
    CHECK(remote.parked() == 0);
}

TEST_CASE("parked connections are closed with their control connection")
{
    Remote remote;
    Stream data = remote.park();
    remote.origin.control.reset();
    CHECK(data.ending() != Ending::silence);
    CHECK(remote.parked() == 0);
}

TEST_CASE("a visitor that has reset before it is announced does not end like one that has finished")
{
    Remote remote;
    std::vector<Stream> parked;
    for (int i = 0; i < 8; ++i)
        parked.push_back(remote.park());
    for (int i = 0; i < 8; ++i)
        remote.visit().reset();
    for (Stream& data : parked) {
        if (data.readable_within(100ms)) {
            data.receive_frame<Announce>();
            CHECK(data.receive_all().empty()); // and no end frame
        }
    }
}

TEST_CASE("an origin proxy parks, serves what is announced there, and parks again")
{
    Origin origin;
    CHECK(std::ranges::find(origin.log_in.features, feature::parking) !=
          origin.log_in.features.end());
    origin.control->send(origin.welcome);
    Stream data = origin.parked();
    for (int i = 0; i < 3; ++i) {
        data.send(encode(announcement()) + data_frame("question"));
        Stream server = origin.server.accept();
        CHECK(data.receive(3) == start_frame);
        CHECK(server.receive(8) == "question");
        server.send("answer");
        CHECK(data.receive(9) == data_frame("answer"));
        server.finish();
        CHECK(data.receive(3) == end_frame);
        data.send(end_frame);
        CHECK(server.receive_all().empty());
    }
}

TEST_CASE("an origin proxy refuses a ticket that it has taken on before")
{
    Origin origin;
    origin.control->send(origin.welcome);
    Stream data = origin.parked();
    const Announce announce = announcement();
    data.send(encode(announce) + data_frame("once"));
    Stream server = origin.server.accept();
    CHECK(data.receive(3) == start_frame);
    data.reset();
    origin.control->send(announce);
    Frame frame = origin.control->receive_frame();
    CHECK((std::get<Refuse>(frame).ticket == announce.ticket));
    CHECK_FALSE(origin.server.pending_within(50ms));
}

TEST_CASE("a visitor that is announced on both connections is served once")
{
    Origin origin;
    origin.control->send(origin.welcome);
    Stream data = origin.parked();
    const Announce announce = announcement();
    origin.control->send(announce);
    Stream fresh = origin.remote.accept();
    if (fresh.receive(magic.size()) == magic_bytes()) {
        // One that parks in the meantime may be first.
        const Frame frame = fresh.receive_frame();
        if (std::holds_alternative<Park>(frame)) {
            fresh = origin.remote.accept();
            fresh.receive(magic.size());
            fresh.receive_frame<DialBack>();
        }
    }
    data.send(announce);
    CHECK(data.ending() != Ending::silence);
    CHECK(fresh.receive_frame<Start>() == Start());
    Stream server = origin.server.accept();
    fresh.send(data_frame("once"));
    CHECK(server.receive(4) == "once");
}

TEST_CASE("a ticket that comes again after a reconnect is served, since nobody was served with it")
{
    Origin origin;
    origin.control->send(origin.welcome);
    const Announce announce = announcement();
    const auto dialled_back = [&] {
        for (;;) {
            Stream data = origin.remote.accept();
            data.receive(magic.size());
            const Frame frame = data.receive_frame();
            if (const auto* const dial_back = std::get_if<DialBack>(&frame)) {
                CHECK(dial_back->ticket == announce.ticket);
                return;
            }
        }
    };
    origin.control->send(announce);
    dialled_back();
    origin.control->reset();
    for (;;) {
        Stream next = origin.remote.accept();
        next.receive(magic.size());
        const Frame frame = next.receive_frame();
        if (std::holds_alternative<LogIn>(frame)) {
            origin.control.emplace(std::move(next));
            break;
        }
    }
    origin.welcome.session = SessionId{random_bytes()};
    origin.control->send(origin.welcome);
    origin.control->send(announce);
    dialled_back();
}

TEST_CASE("an origin proxy that leaves refuses who is under way to it, so that others can serve it")
{
    Origin origin;
    origin.control->send(origin.welcome);
    Stream parked = origin.parked();
    origin.proxy->stop_gently();
    origin.control->receive_frame<Goodbye>();
    origin.control->finish();
    const Announce visitor = announcement();
    parked.send(encode(visitor) + data_frame("first bytes"));
    const auto refused = parked.receive_frame<Refuse>();
    CHECK(refused.ticket == visitor.ticket);
    CHECK(parked.receive_all() == "");
    CHECK_FALSE(origin.server.pending_within(20ms));
    parked.finish();
    CHECK(eventually([&] { return origin.proxy->ended(); }));
}

TEST_CASE("an origin proxy says on the parked connection why it cannot serve")
{
    // Bound, so that nobody else gets the port, and not listening.
    asio::io_context io;
    tcp::acceptor bound(io, tcp::v4());
    bound.bind({asio::ip::address_v4::loopback(), 0});
    const tcp::endpoint nobody = bound.local_endpoint();
    Origin origin([&](OriginOptions& options) {
        options.origin_server_address = {nobody.address().to_string(), nobody.port()};
    });
    origin.control->send(origin.welcome);
    Stream data = origin.parked();
    data.send(encode(announcement()) + data_frame("an early question"));
    CHECK(data.receive_frame<Refuse>().code == Code::origin_server_refused);
    CHECK(data.ending() != Ending::silence);
}

TEST_CASE(
    "a server that is known and goes away is refused with its reason, and served when it is back")
{
    Origin origin;
    std::optional<Server> server(std::move(origin.server));
    const tcp::endpoint where = server->endpoint();
    origin.control->send(origin.welcome);
    Stream data = origin.parked();
    const auto check_that_it_is_served = [&] {
        data.send(encode(announcement()) + data_frame("question") + end_frame);
        Stream visit = server->accept();
        CHECK(visit.receive_all() == "question");
        visit.send("answer");
        visit.finish();
        const std::string answer = start_frame + data_frame("answer") + end_frame;
        CHECK(data.receive(answer.size()) == answer);
    };
    check_that_it_is_served(); // whose address is looked up
    check_that_it_is_served(); // to which the relay connects
    server.reset();
    data.send(encode(announcement()) + data_frame("question"));
    CHECK(data.receive_frame<Refuse>().code == Code::origin_server_refused);
    CHECK(data.ending() != Ending::silence);
    server.emplace(where);
    data = origin.parked();
    check_that_it_is_served();
    CHECK(eventually([&] {
        return origin.proxy->on_its_thread(
            [](OriginProxy& proxy) { return proxy.visitors() == 0; });
    }));
}

TEST_CASE("that a visitor was served is said of it, whatever else speaks against serving it again")
{
    Origin origin;
    origin.control->send(origin.welcome);
    Stream data = origin.parked();
    Announce announce = announcement();
    data.send(encode(announce) + data_frame("question"));
    Stream server = origin.server.accept();
    CHECK(server.receive(8) == "question");
    data.reset();
    announce.service = "withdrawn";
    origin.control->send(announce);
    const auto refuse = origin.control->receive_frame<Refuse>();
    CHECK(refuse.ticket == announce.ticket);
    CHECK(refuse.code == Code::data_connection_lost);
}

TEST_CASE("a start that comes before the announcement starts nothing")
{
    Remote remote;
    Stream data = remote.park();
    Stream visitor = remote.visit();
    visitor.send("question");
    data.receive_frame<Announce>();
    CHECK(data.receive(11) == data_frame("question"));
    visitor.finish();
    data.send(start_frame + end_frame + start_frame); // and one for the next visitor
    CHECK(visitor.receive_all().empty());
    // So the connection is not used again.
    Stream next = remote.visit();
    next.send("another question");
    const Ticket ticket = remote.origin.control.receive_frame<Announce>().ticket;
    Stream fresh = remote.started(ticket);
    CHECK(fresh.receive(19) == data_frame("another question"));
}

TEST_CASE("an origin proxy that cannot park goes on with the rest")
{
    Origin origin;
    {
        const Server gone = std::move(origin.remote);
    }
    origin.control->send(origin.welcome);
    origin.check_that_it_answers();
    origin.control->send(announcement());
    CHECK(origin.control->receive_frame<Refuse>().code == Code::data_connection_lost);
    origin.check_that_it_answers();
}

TEST_CASE("what an origin proxy has parked is closed when it gets garbage, and parked again")
{
    Origin origin;
    origin.control->send(origin.welcome);
    Stream data = origin.parked();
    data.send("GET / HTTP/1.1\r\n\r\n");
    CHECK(data.ending() != Ending::silence);
    const Stream again = origin.parked();
    origin.check_that_it_answers();
}

TEST_CASE("as many connections are parked as were asked for, and none where none are wanted")
{
    SUBCASE("three")
    {
        Origin origin([](OriginOptions& options) { options.parked_connections = 3; });
        origin.control->send(origin.welcome);
        std::vector<Stream> parked;
        for (int i = 0; i < 3; ++i)
            parked.push_back(origin.parked());
        CHECK_FALSE(origin.remote.pending_within(100ms));
        parked.pop_back(); // one that is lost is parked again
        parked.push_back(origin.parked());
    }
    SUBCASE("none")
    {
        Origin origin([](OriginOptions& options) { options.parked_connections = 0; });
        CHECK(std::ranges::find(origin.log_in.features, feature::parking) ==
              origin.log_in.features.end());
        origin.control->send(origin.welcome);
        CHECK_FALSE(origin.remote.pending_within(100ms));
    }
}

TEST_CASE("more are parked when visitors find none, and those that nobody needs are closed again")
{
    Origin origin;
    origin.control->send(origin.welcome);
    std::vector<Stream> parked;
    parked.push_back(origin.parked());
    for (int i = 0; i < 3; ++i)
        origin.control->send(announcement());
    while (parked.size() < 4) { // beside the three that dial back
        Stream data = origin.remote.accept();
        data.receive(magic.size());
        if (std::holds_alternative<Park>(data.receive_frame()))
            parked.push_back(std::move(data));
    }
    int open = 0;
    CHECK(eventually([&] {
        open = 0;
        for (const Stream& data : parked)
            open += data.readable_within(0ms) ? 0 : 1;
        return open == 1;
    }));
    CHECK_FALSE(origin.remote.pending_within(300ms)); // the last one stays
}

TEST_CASE("thousands of visitors that fail at once, one after the other, do no harm")
{
    Origin origin([](OriginOptions& options) {
        options.descriptor_limit = 32; // room for few visitors: the others wait
        options.parked_connections = 0;
        options.common.heartbeat_timeout = 60s; // a busy machine takes long, and no heartbeat comes
    });
    origin.control->send(origin.welcome);
    std::vector<Stream> served;
    constexpr int many = 10'000;
    for (int i = 0; i < many; ++i)
        origin.control->send(announcement());
    while (origin.remote.pending_within(500ms)) { // as many as there is room for
        Stream data = origin.remote.accept();
        data.receive(magic.size());
        data.receive_frame<DialBack>();
        served.push_back(std::move(data));
    }
    REQUIRE_FALSE(served.empty());
    {
        const Server gone = std::move(origin.remote);
        const Server gone_too = std::move(origin.server);
    }
    const auto left = static_cast<int>(many - served.size());
    served.clear(); // each that leaves lets the next one try
    for (int i = 0; i < left; ++i)
        origin.control->receive_frame<Refuse>();
    origin.check_that_it_answers();
}

TEST_CASE("refused connections that the remote proxy keeps open are no more than visitors may be")
{
    Origin origin([](OriginOptions& options) { options.descriptor_limit = 30; }); // two at a time
    origin.control->send(origin.welcome);
    std::vector<Stream> kept;
    const auto began = Clock::now();
    int refused = 0;
    for (int i = 0; i < 20; ++i) {
        Stream data = origin.parked();
        data.send(Announce{{random_bytes()}, "192.0.2.1:5", "nosuch"});
        try {
            data.receive_frame<Refuse>();
            ++refused;
        } catch (const std::runtime_error&) { // there was no place: closed at once
        }
        kept.push_back(std::move(data));
    }
    // Each keeps its place for a second at most.
    const auto seconds = std::chrono::ceil<std::chrono::seconds>(Clock::now() - began).count();
    CHECK(refused >= 1);
    CHECK(refused <= 2 * seconds);
    kept.clear();
    CHECK(eventually([&] {
        return origin.proxy->on_its_thread(
                   [](const OriginProxy& proxy) { return proxy.visitors(); }) == 0;
    }));
}
