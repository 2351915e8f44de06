// A remote proxy with a secret and without encryption, and peers who do what no origin proxy would
// do. They may have seen all that went by.
#include <doctest/doctest.h>

#include "common/security/proof.hpp"
#include "tests/support/middle.hpp"
#include "tests/support/stream_frames.hpp"
#include "tests/support/trusted.hpp"

using namespace std::chrono_literals;
using namespace tunnel;
using namespace tunnel::test;

namespace {

struct Remote {
    explicit Remote(std::chrono::milliseconds handshake_timeout = 5s)
        : proxy([&] {
              RemoteOptions options = trusting(secret, Encryption::off);
              options.handshake_timeout = handshake_timeout;
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

    // Sends these bytes after the magic, and is closed without an answer.
    bool gives_nothing_for(const Frame& frame) const
    {
        Stream stranger = Stream::connect(control());
        stranger.send(magic_bytes() + encode(frame));
        return gets_nothing(stranger);
    }

    // A log-in up to the challenge.
    std::pair<Stream, Challenge> challenged(const LogIn& log_in) const
    {
        Stream stream = Stream::connect(control());
        stream.send(magic_bytes() + encode(log_in));
        const auto challenge = stream.receive_frame<Challenge>();
        return {std::move(stream), challenge};
    }

    Credential secret = some_secret();
    RunningRemote proxy;
};

void check_not_trusted(Stream& stream)
{
    const auto reject = stream.receive_frame<Reject>();
    CHECK(reject.reason == RejectReason::not_trusted);
    CHECK(reject.text.find("secret") != std::string::npos);
    CHECK(stream.ending() != Ending::silence);
}

} // namespace

TEST_CASE("the remote proxy proves first that it knows the secret, with a fresh nonce each time")
{
    Remote remote;
    const LogIn log_in = claiming(remote.secret);
    const auto [one, first] = remote.challenged(log_in);
    const auto [other, second] = remote.challenged(log_in);
    CHECK(first.proof == prove(remote.secret.log_in, Role::remote, log_in, first.nonce));
    CHECK(second.proof == prove(remote.secret.log_in, Role::remote, log_in, second.nonce));
    CHECK(first.nonce != second.nonce);
    const ProvingOrigin origin(remote.control(), remote.secret);
}

TEST_CASE("a log-in and proof that were recorded get nothing when they are played again")
{
    Remote remote;
    Middle middle(remote.control());
    {
        const ProvingOrigin origin(middle.endpoint(), remote.secret);
    }
    Stream again = Stream::connect(remote.control());
    again.send(middle.recorded(0));
    again.receive_frame<Challenge>();
    check_not_trusted(again);
}

TEST_CASE("the remote proxy's own proof is no answer to its challenge")
{
    Remote remote;
    SUBCASE("to itself")
    {
        auto [stream, challenge] = remote.challenged(claiming(remote.secret));
        stream.send(Proof{challenge.proof});
        check_not_trusted(stream);
    }
    SUBCASE("got from another log-in with the nonce that is asked for")
    {
        LogIn log_in = claiming(remote.secret);
        auto [stream, challenge] = remote.challenged(log_in);
        log_in.claimed->nonce = challenge.nonce;
        auto [helper, reflected] = remote.challenged(log_in);
        stream.send(Proof{reflected.proof});
        check_not_trusted(stream);
    }
}

TEST_CASE("a proof of another secret, key, log-in or nonce is refused")
{
    Remote remote;
    const auto check = [&](const std::function<ProofBytes(const LogIn&, const RandomBytes&)>& by) {
        const LogIn log_in = claiming(remote.secret);
        auto [stream, challenge] = remote.challenged(log_in);
        stream.send(Proof{by(log_in, challenge.nonce)});
        check_not_trusted(stream);
    };
    const Key& key = remote.secret.log_in;
    check([](const LogIn&, const RandomBytes&) { return ProofBytes(); });
    check([](const LogIn& log_in, const RandomBytes& nonce) {
        return prove(some_secret().log_in, Role::origin, log_in, nonce);
    });
    check([&](const LogIn& log_in, const RandomBytes& nonce) {
        return prove(remote.secret.tls, Role::origin, log_in, nonce);
    });
    check([&](LogIn log_in, const RandomBytes& nonce) {
        log_in.highest_version = 2;
        return prove(key, Role::origin, log_in, nonce);
    });
    check([&](LogIn log_in, const RandomBytes& nonce) {
        log_in.origin = {random_bytes()};
        return prove(key, Role::origin, log_in, nonce);
    });
    check([&](const LogIn& log_in, const RandomBytes&) {
        return prove(key, Role::origin, log_in, random_bytes());
    });
    CHECK_THROWS_AS(remote.visit(), std::system_error); // nobody was logged in
    const ProvingOrigin origin(remote.control(), remote.secret);
}

TEST_CASE("a log-in without a claim, or with an unknown one, is told what to do")
{
    Remote remote;
    for (const LogIn& log_in : {log_in_by_hand(), claiming(some_secret())}) {
        Stream stream = Stream::connect(remote.control());
        stream.send(magic_bytes() + encode(log_in));
        const auto reject = stream.receive_frame<Reject>();
        CHECK(reject.reason == RejectReason::not_trusted);
        CHECK(reject.text.find("--secret-file") != std::string::npos);
    }
}

TEST_CASE("whoever ignores the reject and goes on gets nothing")
{
    Remote remote;
    auto [stream, challenge] = remote.challenged(claiming(remote.secret));
    stream.send(encode(Proof()) + encode(Heartbeat()) + encode(Probe()) + encode(Refuse{}) +
                encode(Notice{"still here"}));
    check_not_trusted(stream);
    Stream other = Stream::connect(remote.control());
    other.send(magic_bytes() + encode(log_in_by_hand()) + encode(Heartbeat()) + encode(Probe()));
    check_not_trusted(other);
    CHECK_THROWS_AS(remote.visit(), std::system_error);
}

TEST_CASE("frames in the place of the proof are no proof")
{
    Remote remote;
    for (const Frame& frame :
         {Frame(Heartbeat()), Frame(Start()), Frame(Welcome()), Frame(claiming(remote.secret)),
          Frame(Challenge{random_bytes(), {}})}) {
        auto [stream, challenge] = remote.challenged(claiming(remote.secret));
        stream.send(frame);
        check_not_trusted(stream);
    }
}

TEST_CASE("many may be asked for a proof at the same time, as after a restart, and none is refused")
{
    Remote remote;
    std::vector<std::pair<Stream, Challenge>> asked;
    for (int i = 0; i < 300; ++i)
        asked.push_back(remote.challenged(claiming(remote.secret)));
    const ProvingOrigin origin(remote.control(), remote.secret);
    CHECK_FALSE(asked.front().first.readable_within(0ms));
}

TEST_CASE("who is asked for a proof and stays silent is closed when the time is up")
{
    Remote remote(200ms);
    auto [stream, challenge] = remote.challenged(claiming(remote.secret));
    const auto began = Clock::now();
    CHECK(stream.ending() != Ending::silence);
    CHECK(Clock::now() - began < 3s);
    const ProvingOrigin origin(remote.control(), remote.secret);
}

TEST_CASE("a ticket without its proof, or with another's, gets nothing, and the visitor its own")
{
    Remote remote;
    ProvingOrigin origin(remote.control(), remote.secret);
    Stream visitor = remote.visit();
    const Ticket ticket = origin.control.receive_frame<Announce>().ticket;
    const Ticket guessed{random_bytes()};
    CHECK(remote.gives_nothing_for(DialBack{ticket}));
    CHECK(remote.gives_nothing_for(DialBack{ticket, ProofBytes()}));
    CHECK(remote.gives_nothing_for(DialBack{ticket, origin.dial_back(guessed).proof}));
    CHECK(remote.gives_nothing_for(origin.dial_back(guessed)));
    CHECK(
        remote.gives_nothing_for(DialBack{ticket, prove_dial_back(remote.secret.log_in, ticket)}));
    Stream data = Stream::connect(remote.control());
    data.send(magic_bytes() + encode(origin.dial_back(ticket)) + encode(Start()) +
              data_frame("welcome"));
    CHECK(visitor.receive(7) == "welcome");
    CHECK(remote.gives_nothing_for(origin.dial_back(ticket))); // once only
}

TEST_CASE("a connection is parked with a proof of a number that was not used before")
{
    Remote remote;
    ProvingOrigin origin(remote.control(), remote.secret, true);
    std::vector<Stream> parked;
    const auto park = [&](std::uint64_t number) {
        parked.push_back(Stream::connect(remote.control()));
        parked.back().send(magic_bytes() + encode(origin.park(number)));
        return eventually([&] { return remote.parked() == parked.size(); });
    };
    CHECK(park(0));
    CHECK(park(2));
    CHECK(park(1)); // they may overtake each other
    for (const std::uint64_t used : {0U, 1U, 2U})
        CHECK(remote.gives_nothing_for(origin.park(used)));
    CHECK(remote.gives_nothing_for(Park{origin.session}));
    Park changed = origin.park(7);
    changed.numbered->number = 8;
    CHECK(remote.gives_nothing_for(changed));
    changed = origin.park(7);
    changed.session = SessionId{random_bytes()};
    CHECK(remote.gives_nothing_for(changed));
    CHECK(remote.parked() == 3);
    CHECK(park(7)); // a wrong proof has not used it up
}

TEST_CASE("what was good in an older session is good in no other")
{
    Remote remote;
    ProvingOrigin old(remote.control(), remote.secret, true);
    Stream visitor = remote.visit();
    const Ticket old_ticket = old.control.receive_frame<Announce>().ticket;
    ProvingOrigin origin(remote.control(), remote.secret, true);
    const Ticket ticket = origin.control.receive_frame<Announce>().ticket;
    CHECK(ticket != old_ticket);
    CHECK(remote.gives_nothing_for(old.dial_back(old_ticket)));
    CHECK(remote.gives_nothing_for(old.dial_back(ticket)));
    CHECK(remote.gives_nothing_for(origin.dial_back(old_ticket)));
    CHECK(remote.gives_nothing_for(old.park(0)));
    Park mixed = old.park(0);
    mixed.session = origin.session;
    CHECK(remote.gives_nothing_for(mixed));
    CHECK(remote.parked() == 0);
    Stream data = Stream::connect(remote.control());
    data.send(magic_bytes() + encode(origin.dial_back(ticket)) + encode(Start()) +
              data_frame("welcome"));
    CHECK(visitor.receive(7) == "welcome");
}

TEST_CASE("TLS is answered in its own way where there is none")
{
    Remote remote;
    Stream stream = Stream::connect(remote.control());
    stream.send(std::string_view("\x16\x03\x01\x00\x00", 5));
    CHECK(stream.receive_all() == no_encryption_here);
    CHECK(no_encryption_here.size() == 7);
}
