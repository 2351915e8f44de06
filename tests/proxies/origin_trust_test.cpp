// An origin proxy that has a secret, against remote proxies played by hand that do not know it.
#include <doctest/doctest.h>

#include <algorithm>

#include <sys/socket.h>

#include "common/security/proof.hpp"
#include "common/security/session.hpp"
#include "tests/support/certificates.hpp"
#include "tests/support/secured.hpp"
#include "tests/support/stream_frames.hpp"
#include "tests/support/trusted.hpp"
#include "tests/unit/captured.hpp"

using namespace std::chrono_literals;
using namespace tunnel;
using namespace tunnel::test;

namespace {

Welcome a_welcome()
{
    Welcome welcome;
    welcome.version = 1;
    welcome.outside_address = "192.0.2.1:80";
    welcome.heartbeat_timeout = 10s;
    welcome.session = SessionId{random_bytes()};
    return welcome;
}

// Lets an origin proxy log in once to a remote proxy that `play` plays; its log.
struct Played {
    Credential secret = some_secret();
    Server remote;
    Server server;

    std::string log_of_one_try(Encryption encryption, const std::function<void(Stream)>& play)
    {
        OriginOptions options =
            trusting(origin_options(remote.endpoint(), server.endpoint()), secret, encryption);
        options.max_retries = 0;
        return log_of([&] {
            const RunningOrigin origin(options, nullptr);
            try {
                play(remote.accept());
            } catch (const std::runtime_error&) { // it is refused at some point
            }
            eventually([&] { return origin.ended(); });
        });
    }

    // It has come once, and to nobody's order connected to anything.
    void check_that_it_served_nobody() const
    {
        CHECK_FALSE(remote.pending_within(50ms));
        CHECK_FALSE(server.pending_within(0ms));
    }
};

LogIn log_in_on(Stream& stream)
{
    CHECK(stream.receive(magic.size()) == magic_bytes());
    return stream.receive_frame<LogIn>();
}

bool has(const std::string& text, std::string_view part)
{
    return text.find(part) != std::string::npos;
}

} // namespace

TEST_CASE("a remote proxy that says welcome without asking for the secret is refused")
{
    Played played;
    const std::string log = played.log_of_one_try(Encryption::off, [&](Stream stream) {
        log_in_on(stream);
        stream.send(encode(a_welcome()) + encode(announcement()));
        CHECK(stream.ending() != Ending::silence);
    });
    CHECK(has(log, "asks for no secret"));
    CHECK(has(log, "--secret-file"));
    played.check_that_it_served_nobody();
}

TEST_CASE("a remote proxy that announces a visitor before any welcome is not listened to")
{
    Played played;
    played.log_of_one_try(Encryption::off, [&](Stream stream) {
        log_in_on(stream);
        stream.send(encode(announcement()));
        CHECK(stream.ending() != Ending::silence);
    });
    played.check_that_it_served_nobody();
}

TEST_CASE("a remote proxy with a wrong proof is refused, and is shown no proof itself")
{
    Played played;
    const Key& key = played.secret.log_in;
    const std::vector<std::function<ProofBytes(const LogIn&, const RandomBytes&)>> proofs{
        [](const LogIn&, const RandomBytes&) { return ProofBytes(); },
        [](const LogIn& log_in, const RandomBytes& nonce) {
            return prove(some_secret().log_in, Role::remote, log_in, nonce);
        },
        [&](const LogIn& log_in, const RandomBytes& nonce) { // of the other role
            return prove(key, Role::origin, log_in, nonce);
        },
        [&](LogIn log_in, const RandomBytes& nonce) { // of a log-in that was recorded
            log_in.claimed->nonce = random_bytes();
            return prove(key, Role::remote, log_in, nonce);
        }};
    for (const auto& proof : proofs) {
        const std::string log = played.log_of_one_try(Encryption::off, [&](Stream stream) {
            const LogIn log_in = log_in_on(stream);
            const RandomBytes nonce = random_bytes();
            stream.send(encode(Challenge{nonce, proof(log_in, nonce)}) + encode(a_welcome()) +
                        encode(announcement()));
            CHECK(gets_nothing(stream));
        });
        CHECK(has(log, "does not know this secret"));
        played.check_that_it_served_nobody();
    }
}

TEST_CASE("a claim tells the secret's name, and a fresh nonce each time")
{
    Played played;
    std::vector<LogIn> log_ins;
    for (int i = 0; i < 3; ++i)
        played.log_of_one_try(Encryption::off,
                              [&](Stream stream) { log_ins.push_back(log_in_on(stream)); });
    REQUIRE(log_ins.size() == 3);
    for (const LogIn& log_in : log_ins)
        CHECK(log_in.claimed.value().credential == played.secret.id);
    CHECK(log_ins[0].claimed->nonce != log_ins[1].claimed->nonce);
    CHECK(log_ins[1].claimed->nonce != log_ins[2].claimed->nonce);
    CHECK(log_ins[0].claimed->nonce != log_ins[2].claimed->nonce);
}

TEST_CASE("a remote proxy that knows the secret is shown the proof, and proofs with every ticket")
{
    Played played;
    const OriginOptions options =
        trusting(origin_options(played.remote.endpoint(), played.server.endpoint()), played.secret,
                 Encryption::off);
    const RunningOrigin origin(options, nullptr);
    Stream control = played.remote.accept();
    const LogIn log_in = log_in_on(control);
    const RandomBytes nonce = random_bytes();
    control.send(Challenge{nonce, prove(played.secret.log_in, Role::remote, log_in, nonce)});
    CHECK(control.receive_frame<Proof>().proof ==
          prove(played.secret.log_in, Role::origin, log_in, nonce));
    const Key key = session_key(played.secret.log_in, log_in, nonce);
    const Welcome welcome = a_welcome();
    control.send(welcome);
    Stream parked = played.remote.accept();
    parked.receive(magic.size());
    const auto park = parked.receive_frame<Park>();
    CHECK(park.session == *welcome.session);
    CHECK(park.numbered.value().proof == prove_park(key, park.numbered->number));
    const Announce announce = announcement();
    control.send(announce);
    // Beside it comes one more that is parked, for the next.
    std::optional<DialBack> dialled;
    std::vector<Stream> streams;
    std::vector<std::uint64_t> numbers{park.numbered->number};
    while (!dialled) {
        streams.push_back(played.remote.accept());
        streams.back().receive(magic.size());
        const Frame frame = streams.back().receive_frame();
        if (const auto* const dial_back = std::get_if<DialBack>(&frame))
            dialled = *dial_back;
        else
            numbers.push_back(std::get<Park>(frame).numbered.value().number);
    }
    CHECK(dialled->ticket == announce.ticket);
    CHECK(dialled->proof.value() == prove_dial_back(key, announce.ticket));
    std::ranges::sort(numbers);
    CHECK(std::ranges::adjacent_find(numbers) == numbers.end());
}

TEST_CASE("a remote proxy that speaks plain gets a hello of TLS, and no log-in")
{
    Played played;
    const auto check = [&](const std::string& answer, std::string_view words) {
        std::string came;
        const std::string log = played.log_of_one_try(Encryption::automatic, [&](Stream stream) {
            came = stream.receive(5);
            stream.send(answer);
            stream.ending();
        });
        CAPTURE(log);
        CHECK(came.starts_with("\x16\x03"));
        CHECK(has(log, words));
        played.check_that_it_served_nobody();
    };
    constexpr std::string_view in_clear = "does not encrypt: give it the same --secret-file";
    check(encode(a_welcome()) + encode(announcement()), in_clear);
    check(std::string(no_encryption_here), in_clear);
    check("HTTP/1.1 400 Bad Request\r\n\r\n", "not a remote proxy (it answered HTTP)");
    check(std::string("\x4a\0\0\0\n8.0.36\0\x08\0\0\0", 16), "not a remote proxy (it answered");
    check("-ERR unknown command\r\n", "not a remote proxy (it answered");
}

TEST_CASE("a remote proxy that shows any certificate, or knows another secret, is refused")
{
    Played played;
    const Authority authority;
    const Certificate certificate = authority.here();
    const auto refused = [&](const TlsPeer& peer) {
        const std::string log = played.log_of_one_try(Encryption::automatic, [&](Stream stream) {
            TlsStream tls(std::move(stream), TlsEnd::accepts, peer);
            tls.receive(1); // it had nothing to say to this one
            FAIL("it was taken for the right one");
        });
        CAPTURE(log);
        CHECK(has(log, "--secret-file"));
        played.check_that_it_served_nobody();
    };
    refused({.certificate = certificate.files()});
    refused({.certificate = certificate.files(), .only_tls_1_2 = true});
    refused({.key = control_key(some_secret())});
    PresharedKey forged = control_key(played.secret); // the name is known to whoever looked on
    forged.key = played.secret.log_in;
    refused({.key = forged, .certificate = certificate.files()});
    refused({.key = forged});
}

TEST_CASE(
    "a remote proxy that knows the secret is logged in to, and dialled back under keys of each")
{
    Played played;
    const OriginOptions options =
        trusting(origin_options(played.remote.endpoint(), played.server.endpoint()), played.secret);
    const RunningOrigin origin(options, nullptr);
    TlsStream control(played.remote.accept(), TlsEnd::accepts, {.key = control_key(played.secret)});
    CHECK(control.with_key());
    CHECK(control.receive(magic.size()) == magic_bytes());
    CHECK_FALSE(control.receive_frame<LogIn>().claimed); // TLS has proved it
    const Welcome welcome = a_welcome();
    const Announce announce = announcement();
    control.send(encode(welcome));
    // Its key is of a random number, which the hello shows: not to be known beforehand.
    const Stream parked = played.remote.accept();
    control.send(encode(announce));
    const PresharedKey key = key_of_data(control, *welcome.session, announce.ticket.bytes);
    for (;;) {
        Stream data = played.remote.accept();
        std::string hello(2000, '\0');
        const ssize_t size = ::recv(data.descriptor(), hello.data(), hello.size(), MSG_PEEK);
        CHECK(size > 0);
        if (!has(hello, key.identity)) // one more to park
            continue;
        TlsStream tls(std::move(data), TlsEnd::accepts, {.key = key});
        tls.receive(magic.size());
        CHECK(tls.receive_frame<DialBack>().ticket == announce.ticket);
        break;
    }
}

TEST_CASE("a data connection that is not expected any more is not told of as a wrong secret")
{
    const auto reason_told = [](const std::function<void(Stream)>& receive_data) {
        Played played;
        OriginOptions options = trusting(
            origin_options(played.remote.endpoint(), played.server.endpoint()), played.secret);
        options.parked_connections = 0;
        const RunningOrigin origin(options, nullptr);
        TlsStream control(played.remote.accept(), TlsEnd::accepts,
                          {.key = control_key(played.secret)});
        control.receive(magic.size());
        control.receive_frame<LogIn>();
        control.send(encode(a_welcome()));
        control.send(encode(announcement()));
        receive_data(played.remote.accept());
        return control.receive_frame<Refuse>().text;
    };
    const std::string refused = reason_told([](Stream data) {
        CHECK_THROWS(TlsStream(std::move(data), TlsEnd::accepts, {.key = some_key()}));
    });
    const std::string cut = reason_told([](Stream data) { data.receive(5); });
    CAPTURE(refused);
    CAPTURE(cut);
    CHECK(has(refused, "does not expect this data connection"));
    CHECK(has(cut, "closed by the peer"));
    CHECK_FALSE(has(refused, "secret"));
    CHECK_FALSE(has(cut, "secret"));
}

TEST_CASE("a remote proxy that takes the connection and says nothing is given up in time")
{
    Played played;
    OriginOptions options = origin_options(played.remote.endpoint(), played.server.endpoint());
    options.dial_timeout = 200ms;
    options.max_retries = 0;
    for (const Encryption encryption : {Encryption::automatic, Encryption::off}) {
        const auto began = Clock::now();
        const std::string log = log_of([&] {
            const RunningOrigin origin(trusting(options, played.secret, encryption), nullptr);
            const Stream silent = played.remote.accept();
            eventually([&] { return origin.ended(); });
        });
        CHECK(has(log, "the remote proxy does not answer"));
        CHECK(Clock::now() - began < 5s);
    }
}
