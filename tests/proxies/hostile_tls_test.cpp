// A remote proxy with a secret, which encrypts, and peers who do what no origin proxy would do.
#include <doctest/doctest.h>

#include "common/security/session.hpp"
#include "tests/support/certificates.hpp"
#include "tests/support/middle.hpp"
#include "tests/support/stream_frames.hpp"
#include "tests/support/trusted.hpp"

using namespace std::chrono_literals;
using namespace tunnel;
using namespace tunnel::test;

namespace {

struct Remote {
    explicit Remote(const std::function<void(RemoteOptions&)>& change = {})
        : proxy([&] {
              RemoteOptions options = trusting(secret);
              if (change)
                  change(options);
              return options;
          }())
    {
    }

    tcp::endpoint control() const { return proxy.proxy().control_endpoint(); }

    Stream visit() { return Stream::connect(proxy.proxy().outside_endpoint()); }

    std::size_t parked()
    {
        return proxy.on_its_thread([](RemoteProxy& remote) { return remote.parked(); });
    }

    // The visitor still gets the connection that is its own.
    void check_that_it_serves(const SecureOrigin& origin, Stream& visitor, const Ticket& ticket)
    {
        TlsStream data = origin.dial_back(ticket);
        data.send(Start());
        data.send(data_frame("welcome"));
        CHECK(visitor.receive(7) == "welcome");
    }

    Credential secret = some_secret();
    RunningRemote proxy;
};

// Whether the remote proxy knows the key, which its part of the handshake proves.
bool gets_in(const tcp::endpoint& remote, const PresharedKey& key, bool fresh_exchange)
{
    try {
        secure_stream(remote, key, fresh_exchange);
        return true;
    } catch (const std::runtime_error&) {
        return false;
    }
}

// Sends what it likes on an encrypted connection, and is closed without an answer.
bool gets_nothing(TlsStream stream, const std::string& bytes)
{
    stream.send(magic_bytes() + bytes);
    try {
        stream.receive(1);
        return false;
    } catch (const std::runtime_error&) {
        return stream.below().ending(100ms) != Ending::silence;
    }
}

} // namespace

TEST_CASE("a stranger with a real ticket gets nothing, and the visitor still its own connection")
{
    Remote remote;
    SecureOrigin origin(remote.control(), remote.secret);
    Stream visitor = remote.visit();
    const Ticket ticket = origin.control.receive_frame<Announce>().ticket;
    for (const Ticket& shown : {ticket, Ticket{random_bytes()}, Ticket()}) {
        Stream stranger = dial_back(remote.control(), shown);
        // It is told what to do, which is no secret, and no more.
        CHECK(stranger.receive_frame<Reject>().reason == RejectReason::not_trusted);
        CHECK(stranger.ending() != Ending::silence);
    }
    remote.check_that_it_serves(origin, visitor, ticket);
}

TEST_CASE("a ticket is good only under the key that is of this ticket")
{
    Remote remote;
    SecureOrigin origin(remote.control(), remote.secret);
    Stream one = remote.visit();
    const Ticket ticket = origin.control.receive_frame<Announce>().ticket;
    CHECK(gets_nothing(origin.data(random_bytes()), encode(DialBack{ticket})));
    Stream other = remote.visit();
    const Ticket other_ticket = origin.control.receive_frame<Announce>().ticket;
    CHECK(gets_nothing(origin.data(other_ticket.bytes), encode(DialBack{ticket})));
    // Nor by a second use of it.
    remote.check_that_it_serves(origin, one, ticket);
    CHECK(gets_nothing(origin.data(ticket.bytes), encode(DialBack{ticket})));
    remote.check_that_it_serves(origin, other, other_ticket);
}

TEST_CASE("a control connection carries no visitor, and a data connection logs nobody in")
{
    Remote remote;
    SecureOrigin origin(remote.control(), remote.secret, true);
    Stream visitor = remote.visit();
    const Ticket ticket = origin.control.receive_frame<Announce>().ticket;
    const auto as_control = [&] {
        return secure_stream(remote.control(), control_key(remote.secret), true);
    };
    CHECK(gets_nothing(as_control(), encode(DialBack{ticket})));
    CHECK(gets_nothing(as_control(), encode(Park{origin.session})));
    CHECK(gets_nothing(origin.data(random_bytes()), encode(log_in_by_hand())));
    CHECK(remote.parked() == 0);
    remote.check_that_it_serves(origin, visitor, ticket);
}

TEST_CASE("a data connection of an older session, or under a key of another, does not get in")
{
    Remote remote;
    std::optional<SecureOrigin> old(std::in_place, remote.control(), remote.secret, true);
    const PresharedKey old_key = old->key(random_bytes());
    const SessionId old_session = old->session;
    CHECK(gets_in(remote.control(), old_key, false));
    const SecureOrigin origin(remote.control(), remote.secret, true); // takes its place over
    CHECK_FALSE(gets_in(remote.control(), old_key, false));
    const RandomBytes once = random_bytes();
    const PresharedKey mixed =
        data_key(origin.session, old->control.exporter(exporter_label), once);
    CHECK_FALSE(gets_in(remote.control(), mixed, false));
    CHECK_FALSE(
        gets_in(remote.control(), data_key(origin.session, remote.secret.tls, once), false));
    CHECK_FALSE(gets_in(remote.control(), data_key(origin.session, Key(), once), false));
    CHECK(gets_in(remote.control(), origin.key(once), false));
    CHECK(gets_nothing(origin.data(once), encode(Park{old_session})));
}

TEST_CASE("a connection is parked for its own session only")
{
    Remote remote;
    const SecureOrigin origin(remote.control(), remote.secret, true);
    CHECK(gets_nothing(origin.data(random_bytes()), encode(Park{SessionId{random_bytes()}})));
    CHECK(gets_nothing(origin.data(random_bytes()), encode(Park{})));
    CHECK(remote.parked() == 0);
    const TlsStream parked = origin.park();
    CHECK(eventually([&] { return remote.parked() == 1; }));
}

TEST_CASE("a log-in that was recorded on the way gets nothing when it is played again")
{
    Remote remote;
    Middle middle(remote.control());
    SecureOrigin origin(middle.endpoint(), remote.secret);
    Stream visitor = remote.visit();
    const Ticket ticket = origin.control.receive_frame<Announce>().ticket;
    const TlsStream dialled = origin.dial_back(ticket);
    CHECK(eventually([&] { return middle.connections() == 2 && !middle.recorded(1).empty(); }));
    for (const std::size_t connection : {0U, 1U}) {
        Stream again = Stream::connect(remote.control());
        again.send(middle.recorded(connection));
        // A server's hello, which is fresh, is all that comes.
        CHECK(again.ending() != Ending::silence);
    }
    origin.control.send(Probe());
    CHECK(eventually([&] { return origin.control.below().readable_within(0ms); }));
    CHECK(remote.proxy.on_its_thread([](RemoteProxy& proxy) { return proxy.visitors(); }) == 1);
}

TEST_CASE("a control connection without a fresh key exchange is refused")
{
    // What is recorded of it could be read by whoever gets hold of the secret later.
    Remote remote;
    const PresharedKey key = control_key(remote.secret);
    CHECK(gets_nothing(secure_stream(remote.control(), key, false), encode(log_in_by_hand())));
    CHECK_THROWS_AS(remote.visit(), std::system_error); // nobody is logged in
    TlsStream control = secure_stream(remote.control(), key, true);
    control.send(magic_bytes() + encode(log_in_by_hand()));
    control.receive_frame<Welcome>();
}

TEST_CASE("another secret, no secret or a certificate does not get in")
{
    Remote remote;
    CHECK_FALSE(gets_in(remote.control(), control_key(some_secret()), true));
    PresharedKey forged = control_key(some_secret());
    forged.identity = control_key(remote.secret).identity;
    CHECK_FALSE(gets_in(remote.control(), forged, true));
    forged.key = remote.secret.log_in; // the one for where encryption is off
    CHECK_FALSE(gets_in(remote.control(), forged, true));
    const Certificate certificate({.common_name = "origin"});
    for (const bool old : {true, false}) {
        CHECK_THROWS_AS(TlsStream(Stream::connect(remote.control()), TlsEnd::dials,
                                  {.certificate = certificate.files(), .only_tls_1_2 = old}),
                        std::runtime_error);
    }
}

TEST_CASE("whoever speaks plain is told once to encrypt, and nothing that he says is heard")
{
    Remote remote;
    Stream control = Stream::connect(remote.control());
    // As if the reject had been a welcome.
    control.send(magic_bytes() + encode(log_in_by_hand()) + encode(Heartbeat()));
    CHECK(control.receive_frame<Reject>().reason == RejectReason::not_trusted);
    CHECK(control.ending() != Ending::silence);
    CHECK_THROWS_AS(remote.visit(), std::system_error); // nobody is logged in
    Stream other = Stream::connect(remote.control());
    other.send("GET / HTTP/1.1\r\n\r\n");
    CHECK(gets_nothing(other));
}

TEST_CASE("whoever is slow, within TLS or before it, is closed when the time is up")
{
    Remote remote([](RemoteOptions& options) { options.handshake_timeout = 200ms; });
    SecureOrigin origin(remote.control(), remote.secret);
    const auto began = Clock::now();
    Stream silent = Stream::connect(remote.control());
    Stream record = Stream::connect(remote.control());
    record.send(std::string_view("\x16\x03\x01\x02\x00\x01", 6)); // and 511 bytes, one day
    TlsStream shaken = origin.data(random_bytes());
    TlsStream half = secure_stream(remote.control(), control_key(remote.secret), true);
    half.send(magic_bytes());
    // One byte after the other, for as long as it is let.
    Stream dripping = Stream::connect(remote.control());
    dripping.send("\x16");
    while (!dripping.readable_within(20ms) && Clock::now() - began < 5s) {
        try {
            dripping.send("\x03");
        } catch (const std::system_error&) {
            break;
        }
    }
    CHECK(silent.ending() != Ending::silence);
    CHECK(record.ending() != Ending::silence);
    CHECK(shaken.ending() != Ending::silence);
    CHECK(half.ending() != Ending::silence);
    CHECK(dripping.ending() != Ending::silence);
    CHECK(Clock::now() - began < 4s);
    origin.control.send(Probe()); // who is logged in is not concerned
    CHECK(eventually([&] { return origin.control.below().readable_within(0ms); }));
}

TEST_CASE("a thousand silent connections do not keep a good one waiting")
{
    Remote remote;
    std::vector<Stream> silent;
    for (int i = 0; i < 1000; ++i) {
        silent.push_back(Stream::connect(remote.control()));
        if (i % 2 == 0)
            silent.back().send(std::string_view("\x16\x03\x01\x02\x00\x01", 6));
    }
    const auto began = Clock::now();
    const SecureOrigin origin(remote.control(), remote.secret);
    CHECK(Clock::now() - began < 2s);
}

TEST_CASE("first frames of no possible size are closed within TLS as without it")
{
    Remote remote;
    for (const std::string& frame :
         {std::string("\xff\xff\x01", 3), std::string("\x00\x00\x01", 3),
          std::string("\x00\x01\x01", 3), std::string("\x00\x02\x01", 3),
          std::string("\x10\x01\x01", 3), encode(Heartbeat()), encode(Start())}) {
        CHECK(gets_nothing(secure_stream(remote.control(), control_key(remote.secret), true),
                           frame + std::string(30, 'x')));
    }
    const SecureOrigin origin(remote.control(), remote.secret);
}

TEST_CASE("an origin proxy of another version is told so, within TLS")
{
    Remote remote;
    TlsStream control = secure_stream(remote.control(), control_key(remote.secret), true);
    LogIn log_in = log_in_by_hand();
    log_in.lowest_version = 7;
    log_in.highest_version = 9;
    control.send(magic_bytes() + encode(log_in));
    const auto reject = control.receive_frame<Reject>();
    CHECK(reject.reason == RejectReason::version);
    CHECK(reject.text.find("speaks 7 to 9") != std::string::npos);
    CHECK(control.ending() == Ending::end_of_stream);
}

TEST_CASE("the same secret takes its place over at once, whichever run it is")
{
    Remote remote;
    SecureOrigin first(remote.control(), remote.secret);
    Stream visitor = remote.visit();
    first.control.receive_frame<Announce>();
    const auto began = Clock::now();
    SecureOrigin second(remote.control(), remote.secret);
    CHECK(Clock::now() - began < 1s);
    CHECK(first.control.below().ending() != Ending::silence);
    const Ticket ticket = second.control.receive_frame<Announce>().ticket;
    remote.check_that_it_serves(second, visitor, ticket);
}

TEST_CASE("a stream on a parked connection ends only by what its own key has sealed")
{
    Remote remote;
    SecureOrigin origin(remote.control(), remote.secret, true);
    TlsStream parked = origin.park();
    CHECK(eventually([&] { return remote.parked() == 1; }));
    Stream visitor = remote.visit();
    visitor.send("question");
    parked.receive_frame<Announce>();
    CHECK(parked.receive(11) == data_frame("question"));
    SUBCASE("cut without a word of TLS it is a reset for the visitor")
    {
        parked.send(start_frame + data_frame("half"));
        CHECK(visitor.receive(4) == "half");
        parked.cut();
        CHECK(visitor.ending() == Ending::reset);
    }
    SUBCASE("a plain end frame brought in from outside is no end")
    {
        parked.send(start_frame + data_frame("half"));
        CHECK(visitor.receive(4) == "half");
        parked.below().send(end_frame);
        parked.below().finish();
        CHECK(visitor.ending() == Ending::reset);
    }
    SUBCASE("the end by its frame is the end")
    {
        parked.send(start_frame + data_frame("all") + end_frame);
        CHECK(visitor.receive_all() == "all");
        visitor.finish();
        CHECK(parked.receive(3) == end_frame);
        CHECK(eventually([&] { return remote.parked() == 1; }));
    }
}
