// One origin proxy with several remote proxies, which are played by hand.
#include <doctest/doctest.h>

#include <mutex>

#include "common/security/proof.hpp"
#include "common/security/secret.hpp"
#include "tests/support/proxies.hpp"
#include "tests/support/temporary_file.hpp"
#include "tests/unit/captured.hpp"

using namespace std::chrono_literals;
using namespace tunnel;
using namespace tunnel::test;

namespace {

Address address_of(const Server& server)
{
    return {"127.0.0.1", server.endpoint().port()};
}

Stream accept_control(Server& remote)
{
    Stream control = remote.accept();
    CHECK(control.receive(magic.size()) == magic_bytes());
    control.receive_frame<LogIn>();
    return control;
}

Stream welcome(Server& remote)
{
    Stream control = accept_control(remote);
    Welcome welcome;
    welcome.version = 1;
    welcome.outside_address = "192.0.2.1:80";
    welcome.heartbeat_timeout = 10s;
    control.send(welcome);
    return control;
}

// From a remote proxy that knows the secret, and proves it without encryption.
Stream welcome_with_secret(Server& remote, const Credential& secret)
{
    Stream control = remote.accept();
    CHECK(control.receive(magic.size()) == magic_bytes());
    const auto log_in = control.receive_frame<LogIn>();
    CHECK(log_in.claimed.value().credential == secret.id);
    const RandomBytes nonce = random_bytes();
    control.send(Challenge{nonce, prove(secret.log_in, Role::remote, log_in, nonce)});
    CHECK(control.receive_frame<Proof>().proof ==
          prove(secret.log_in, Role::origin, log_in, nonce));
    Welcome welcome;
    welcome.version = 1;
    welcome.outside_address = "192.0.2.1:80";
    welcome.heartbeat_timeout = 10s;
    welcome.session = SessionId{random_bytes()};
    control.send(welcome);
    return control;
}

// Whether it answers, so that it has done all that it was told before.
bool answers(Stream& control)
{
    control.send(Probe());
    return control.receive(3) == encode(Heartbeat());
}

// A visitor, seen from both ends.
struct Visit {
    Stream data;
    Stream server;

    bool is_served()
    {
        data.send("question");
        const bool arrived = server.receive(8) == "question";
        server.send("answer");
        return arrived && data.receive(6) == "answer";
    }
};

// Two remote proxies and an origin server, with the origin proxy between them.
struct Played {
    explicit Played(const std::function<void(OriginOptions&)>& change = {})
        : options(origin_options(one.endpoint(), origin_server.endpoint()))
    {
        options.remote_proxies.push_back({address_of(other)});
        options.parked_connections = 0;
        if (change)
            change(options);
        proxy.emplace(options, [this](const Address& asked_for, const std::string&,
                                      const std::vector<Opened>&) {
            const std::lock_guard lock(mutex);
            ready.push_back(asked_for);
        });
    }

    Visit visit(Server& remote, Stream& control)
    {
        const Announce announce = announcement();
        control.send(announce);
        Stream data = remote.accept();
        CHECK(data.receive(magic.size()) == magic_bytes());
        CHECK((data.receive_frame<DialBack>().ticket == announce.ticket));
        CHECK((data.receive_frame<Start>() == Start()));
        return {std::move(data), origin_server.accept()};
    }

    // What it threw; empty: nothing.
    std::string reload(const OriginOptions& latest)
    {
        return proxy->on_its_thread([&latest](OriginProxy& origin) {
            try {
                origin.reload(latest);
                return std::string();
            } catch (const std::runtime_error& error) {
                return std::string(error.what());
            }
        });
    }

    std::size_t log_ins()
    {
        return proxy->on_its_thread([](OriginProxy& origin) { return origin.log_ins(); });
    }

    OriginStatus status()
    {
        return proxy->on_its_thread([](const OriginProxy& origin) { return origin.status(); });
    }

    std::vector<Address> told_as_ready()
    {
        const std::lock_guard lock(mutex);
        return ready;
    }

    Server one;
    Server other;
    Server origin_server;
    OriginOptions options;
    std::mutex mutex;
    std::vector<Address> ready;
    std::optional<RunningOrigin> proxy;
};

void never_by_itself(OriginOptions& options)
{
    options.first_retry = 1h;
    options.slowest_retry = 1h;
}

} // namespace

TEST_CASE("visitors of each remote proxy are joined with the origin server, and told as ready each")
{
    Played played;
    Stream control = welcome(played.one);
    CHECK(eventually([&] { return played.log_ins() == 1; }));
    CHECK((played.told_as_ready() == std::vector{address_of(played.one)}));
    Visit first = played.visit(played.one, control);
    Stream control_of_other = welcome(played.other);
    Visit second = played.visit(played.other, control_of_other);
    CHECK(first.is_served());
    CHECK(second.is_served());
    control.reset();
    Stream again = welcome(played.one);
    CHECK(played.visit(played.one, again).is_served());
    CHECK(
        (played.told_as_ready() == std::vector{address_of(played.one), address_of(played.other)}));
}

TEST_CASE("of a remote proxy that dies and comes back the visitors of another notice nothing")
{
    Played played;
    Stream control = welcome(played.other);
    Visit visitor = played.visit(played.other, control);
    const tcp::endpoint endpoint = played.one.endpoint();
    {
        Stream lost = welcome(played.one);
        CHECK(eventually([&] { return played.log_ins() == 2; }));
        const Server dies = std::move(played.one); // nobody listens there from here on
        lost.reset();
    }
    CHECK(eventually([&] { return played.log_ins() == 1; }));
    CHECK(visitor.is_served());
    CHECK(played.visit(played.other, control).is_served());
    played.one = Server(endpoint);
    Stream back = welcome(played.one);
    CHECK(played.visit(played.one, back).is_served());
    CHECK(visitor.is_served());
    CHECK(answers(control)); // the one that it had from the beginning
    CHECK_FALSE(played.other.pending_within(0ms));
}

TEST_CASE("a remote proxy that does not answer, or refuses, keeps nobody else waiting")
{
    const DeafServer deaf;
    Played played([&](OriginOptions& options) {
        options.remote_proxies.insert(options.remote_proxies.begin(),
                                      {{"127.0.0.1", deaf.endpoint().port()}});
        options.dial_timeout = 1h;
    });
    const Stream mute = accept_control(played.one);
    Stream control = welcome(played.other);
    CHECK(played.visit(played.other, control).is_served());
    CHECK(played.log_ins() == 1);
}

TEST_CASE("each remote proxy has a back-off of its own")
{
    Played played([](OriginOptions& options) {
        options.first_retry = 1ms;
        options.slowest_retry = 1h;
    });
    Stream control = welcome(played.other);
    CHECK(eventually([&] { return played.log_ins() == 1; }));
    for (int i = 0; i < 12; ++i) // so that its next try is up to 4 s away
        accept_control(played.one).reset();
    const auto began = Clock::now();
    control.reset();
    welcome(played.other);
    CHECK(Clock::now() - began < 1s);
}

TEST_CASE("the program gives up when all remote proxies have been given up, and no sooner")
{
    Played played([](OriginOptions& options) { options.max_retries = 1; });
    Stream control = welcome(played.other);
    for (int i = 0; i < 2; ++i)
        accept_control(played.one).reset();
    CHECK_FALSE(played.one.pending_within(100ms));
    CHECK(played.visit(played.other, control).is_served());
    control.reset();
    control = welcome(played.other); // the failures there do not count here
    CHECK(eventually([&] { return played.log_ins() == 1; }));
    CHECK_FALSE(played.proxy->ended());
    SUBCASE("also if one was told to try again")
    {
        CHECK(played.reload(played.options) == "");
        Stream again = welcome(played.one);
        CHECK(played.visit(played.one, again).is_served());
        again.reset();
        accept_control(played.one).reset();
    }
    control.reset();
    accept_control(played.other).reset();
    CHECK(eventually([&] { return played.proxy->ended(); }));
    CHECK(played.proxy->proxy().gave_up());
}

TEST_CASE("a reload that finds one remote proxy gone again tries the others before it gives up")
{
    Server third;
    Played played([&](OriginOptions& options) {
        options.max_retries = 0;
        options.remote_proxies.push_back({address_of(third)});
    });
    Stream control = welcome(played.other);
    const Address gone = address_of(played.one);
    accept_control(played.one).reset();
    accept_control(third).reset();
    CHECK_FALSE(third.pending_within(100ms));
    {
        const Server closed = std::move(played.one); // so that a dial fails at once
    }
    played.options.remote_proxies = {{gone}, {address_of(third)}};
    CHECK(played.reload(played.options) == "");
    Stream again = welcome(third);
    CHECK(played.visit(third, again).is_served());
    CHECK_FALSE(played.proxy->ended());
}

TEST_CASE("a remote proxy that is given up is named in one error")
{
    const std::string log = log_of([] {
        std::optional<Stream> control; // lives longer than the proxy, which must not lose this one
        Played played([](OriginOptions& options) { options.max_retries = 0; });
        control = welcome(played.other);
        accept_control(played.one).reset();
        played.one.pending_within(50ms);
    });
    CAPTURE(log);
    const std::size_t at = log.find("error cannot log in to the remote proxy remote=127.0.0.1:");
    CHECK(at != std::string::npos);
    CHECK(log.find("error", at + 1) == std::string::npos);
}

TEST_CASE("a gentle stop says goodbye to each, and ends when the visitors of all have finished")
{
    Played played;
    Stream control = welcome(played.one);
    Stream control_of_other = welcome(played.other);
    Visit first = played.visit(played.one, control);
    Visit second = played.visit(played.other, control_of_other);
    played.proxy->stop_gently();
    for (Stream* const each : {&control, &control_of_other}) {
        CHECK(std::holds_alternative<Goodbye>(each->receive_frame()));
        CHECK(each->ending() == Ending::end_of_stream);
    }
    CHECK(first.is_served());
    first.data.reset();
    CHECK(first.server.ending() == Ending::reset);
    CHECK(second.is_served());
    CHECK_FALSE(played.proxy->ended());
    second.data.reset();
    CHECK(eventually([&] { return played.proxy->ended(); }));
    CHECK_FALSE(played.proxy->proxy().gave_up());
}

TEST_CASE("a stop at once resets the visitors of all")
{
    Played played;
    Stream control = welcome(played.one);
    Stream control_of_other = welcome(played.other);
    Visit first = played.visit(played.one, control);
    Visit second = played.visit(played.other, control_of_other);
    played.proxy->on_its_thread([](OriginProxy& origin) {
        origin.stop_now();
        return true;
    });
    for (Visit* const each : {&first, &second}) {
        CHECK(each->data.ending() == Ending::reset);
        CHECK(each->server.ending() == Ending::reset);
    }
    CHECK(eventually([&] { return played.proxy->ended(); }));
}

TEST_CASE("with few descriptors the visitors of one leave a place for those of another")
{
    Played played([](OriginOptions& options) {
        options.common.relay_threads = 2;
        options.descriptor_limit = 36; // two visitors at a time
    });
    Stream control = welcome(played.one);
    Stream control_of_other = welcome(played.other);
    CHECK(eventually([&] { return played.log_ins() == 2; }));
    Visit first = played.visit(played.one, control);
    control.send(announcement());
    CHECK_FALSE(played.origin_server.pending_within(100ms));
    Visit second = played.visit(played.other, control_of_other);
    CHECK(second.is_served());
    first.data.reset();
    CHECK(played.origin_server.pending_within(5s)); // it was the turn of the one that waited
}

TEST_CASE("a reload keeps each connection that is up, and tries at once where there is none")
{
    Played played(never_by_itself);
    Stream control = welcome(played.one);
    accept_control(played.other).reset();
    CHECK(eventually([&] { return played.log_ins() == 1; }));
    CHECK_FALSE(played.other.pending_within(50ms));
    for (int i = 0; i < 3; ++i)
        CHECK(played.reload(played.options) == "");
    Stream control_of_other = welcome(played.other);
    CHECK(played.visit(played.other, control_of_other).is_served());
    CHECK(answers(control));
    CHECK_FALSE(played.one.pending_within(0ms));
}

TEST_CASE("a reload may ask for other remote proxies: visitors of one that is left go on")
{
    Played played(never_by_itself);
    Stream control = welcome(played.one);
    Stream control_of_other = welcome(played.other);
    Visit visitor = played.visit(played.one, control);
    Server third;
    OriginOptions latest = played.options;
    latest.remote_proxies = {{address_of(third)}, {address_of(played.other)}};
    CHECK(played.reload(latest) == "");
    CHECK(std::holds_alternative<Goodbye>(control.receive_frame()));
    CHECK(control.ending() == Ending::end_of_stream);
    CHECK(visitor.is_served());
    CHECK(answers(control_of_other));
    Stream control_of_third = welcome(third);
    CHECK(played.visit(third, control_of_third).is_served());
    CHECK(played.reload(played.options) == ""); // the first is wanted again
    Stream again = welcome(played.one);
    CHECK(played.visit(played.one, again).is_served());
    CHECK(std::holds_alternative<Goodbye>(control_of_third.receive_frame()));
    CHECK(visitor.is_served()); // who has come by the former link to it
    visitor.data.reset();
    CHECK(eventually([&] {
        return played.proxy->on_its_thread([](OriginProxy& origin) { return origin.visitors(); }) ==
               0;
    }));
}

TEST_CASE("a reload with a file that cannot be used changes nothing at all")
{
    Played played(never_by_itself);
    Stream control = welcome(played.one);
    Stream control_of_other = welcome(played.other);
    CHECK(eventually([&] { return played.log_ins() == 2; }));
    OriginOptions latest = played.options;
    latest.remote_proxies.pop_back();
    latest.services = {{"web", address_of(played.origin_server)}};
    latest.common.grace_period = 0ms;
    latest.trust.secret_file = "/nowhere/at-all";
    CHECK(played.reload(latest).find("/nowhere/at-all") != std::string::npos);
    CHECK(answers(control));
    CHECK(answers(control_of_other));
    Visit visitor = played.visit(played.other, control_of_other);
    CHECK(visitor.is_served());
    CHECK(played.status().links.size() == 2);
    CHECK(played.status().services.at(0).name == default_service);
    played.proxy->stop_gently();
    CHECK(std::holds_alternative<Goodbye>(control.receive_frame()));
    CHECK(visitor.is_served()); // within the grace period as it was
}

TEST_CASE("a reload while the program is shutting down is an error, and changes nothing")
{
    Played played;
    Stream control = welcome(played.one);
    Stream control_of_other = welcome(played.other);
    CHECK(eventually([&] { return played.log_ins() == 2; }));
    Visit visitor = played.visit(played.one, control);
    played.proxy->stop_gently();
    OriginOptions latest = played.options;
    latest.remote_proxies.pop_back();
    latest.services = {{"web", address_of(played.origin_server)}};
    latest.common.grace_period = 0ms;
    CHECK(played.reload(latest) == "the origin proxy is shutting down");
    CHECK(played.status().links.size() == 2);
    CHECK(played.status().services.at(0).name == default_service);
    CHECK(visitor.is_served());
}

TEST_CASE("a reload may name another origin server, for those who come from any remote proxy")
{
    Played played;
    Stream control = welcome(played.one);
    Stream control_of_other = welcome(played.other);
    Visit before = played.visit(played.one, control);
    const Server former = std::exchange(played.origin_server, Server());
    OriginOptions latest = played.options;
    latest.origin_server_address = address_of(played.origin_server);
    CHECK(played.reload(latest) == "");
    CHECK(played.visit(played.one, control).is_served());
    CHECK(played.visit(played.other, control_of_other).is_served());
    CHECK(before.is_served());
}

TEST_CASE("only where the secret has changed a reload connects anew, and what it reads holds")
{
    const std::string text = generate_secret();
    const std::string next = generate_secret();
    const TemporaryFile changes(text);
    const TemporaryFile stays(text);
    Played played([&](OriginOptions& options) {
        never_by_itself(options);
        for (RemotePeer& each : options.remote_proxies)
            each.trust.emplace().encryption = Encryption::off;
        options.remote_proxies[0].trust->secret_file = changes.path();
        options.remote_proxies[1].trust->secret_file = stays.path();
    });
    Stream control = welcome_with_secret(played.one, parse_secret(text, ""));
    Stream control_of_other = welcome_with_secret(played.other, parse_secret(text, ""));
    changes.write(text + "\n"); // which says the same
    CHECK(played.reload(played.options) == "");
    CHECK(answers(control));
    changes.write(next);
    CHECK(played.reload(played.options) == "");
    CHECK(std::holds_alternative<Goodbye>(control.receive_frame()));
    welcome_with_secret(played.one, parse_secret(next, ""));
    CHECK(answers(control_of_other));
    CHECK_FALSE(played.other.pending_within(0ms));
}

TEST_CASE("who waits after the secret was refused tries a new one at once")
{
    const std::string text = generate_secret();
    const TemporaryFile file(generate_secret());
    Played played([&](OriginOptions& options) {
        never_by_itself(options);
        options.trust.encryption = Encryption::off;
        options.trust.secret_file = file.path();
    });
    accept_control(played.one).send(Reject{RejectReason::not_trusted, "who are you?"});
    file.write(text);
    CHECK(played.reload(played.options) == "");
    welcome_with_secret(played.one, parse_secret(text, ""));
}

TEST_CASE("an origin proxy that is stopped before its first turn ends, and connects to nobody")
{
    const Server remote;
    const Server origin_server;
    asio::io_context io{1};
    OriginProxy proxy(io, origin_options(remote.endpoint(), origin_server.endpoint()), {});
    proxy.start();
    SUBCASE("at once")
    {
        proxy.stop_now();
    }
    SUBCASE("gently")
    {
        proxy.stop_gently();
    }
    const auto limit = Clock::now() + 10s;
    while (!proxy.stopped() && Clock::now() < limit)
        proxy.run_some();
    CHECK(proxy.stopped());
    CHECK_FALSE(remote.pending_within(100ms));
}
