// Who gets an encrypted connection, with keys that both ends know. Certificates: see
// certificate_test.cpp.
#include <doctest/doctest.h>

#include <future>

#include "common/base/deadline.hpp"
#include "common/base/error.hpp"
#include "tests/support/certificates.hpp"
#include "tests/support/hex.hpp"
#include "tests/support/secured.hpp"
#include "tests/support/tls_stream.hpp"
#include "tests/unit/io.hpp"

using namespace std::chrono_literals;
using namespace tunnel;
using namespace tunnel::test;

namespace {

// Both ends of ours, the accepting one with the keys that it is told of.
struct Both {
    Both(PresharedKey key, Handshake::FindKey find, bool fresh_exchange = true)
        : dials(TlsContext::dials_with_key(fresh_exchange)),
          here(dials, pair.here.native_handle(), std::move(key)),
          there(accepts, pair.there.native_handle(), std::move(find)),
          shaken(shake(io, here, pair.here, there, pair.there))
    {
    }

    bool good() const { return shaken.dialled.empty() && shaken.accepted.empty(); }

    asio::io_context io;
    SocketPair pair{io};
    TlsContext dials;
    TlsContext accepts = TlsContext::accepts({}, {});
    Handshake here;
    Handshake there;
    Shaken shaken;
};

Handshake::FindKey knows_nobody()
{
    return [](std::string_view) { return std::nullopt; };
}

// Our dialling end with a key, against a peer of another kind.
std::system_error dialling_into(const std::function<void(Stream)>& peer,
                                const PresharedKey& key = some_key())
{
    asio::io_context io;
    Server server;
    tcp::socket socket(io);
    socket.connect(server.endpoint());
    auto playing = std::async(std::launch::async, [&] {
        try {
            peer(server.accept());
        } catch (const std::runtime_error&) { // what it thinks of it does not matter
        }
    });
    const TlsContext context = TlsContext::dials_with_key(true);
    Handshake handshake(context, socket.native_handle(), key);
    std::system_error failure = failure_of(io, handshake.run(socket));
    socket.close();
    playing.get();
    return failure;
}

// Our accepting end, which knows `known`, against a peer of another kind.
std::system_error accepting(const std::function<void(Stream)>& peer, const PresharedKey& known,
                            const CertificateFiles& own = {})
{
    asio::io_context io;
    tcp::acceptor acceptor(io, loopback());
    auto playing = std::async(std::launch::async, [&] {
        try {
            peer(Stream::connect(acceptor.local_endpoint()));
        } catch (const std::runtime_error&) {
        }
    });
    tcp::socket socket = acceptor.accept();
    const TlsContext context = TlsContext::accepts(own, {});
    Handshake handshake(context, socket.native_handle(), knows(known));
    std::system_error failure = failure_of(io, handshake.run(socket));
    CHECK((failure.code() || handshake.identity() == known.identity || own.given()));
    socket.close();
    playing.get();
    return failure;
}

// A gate that does as it is told, and notes what it is asked.
class NotingGate final : public HelloGate {
public:
    explicit NotingGate(bool opens) : opens_(opens) {}

    awaitable<bool> admit(Offer offer) override
    {
        offers.push_back(offer);
        co_await yield_to_others();
        co_return opens_;
    }

    void answered(Clock::duration took) override { costs.push_back(took); }

    std::vector<Offer> offers;
    std::vector<Clock::duration> costs;

private:
    const bool opens_;
};

// Our accepting end, which knows `known`, behind the gate, and our dialling end with `key`.
Shaken shaken_through(NotingGate& gate, const PresharedKey& key, const PresharedKey& known)
{
    asio::io_context io;
    SocketPair pair(io);
    const TlsContext dials = TlsContext::dials_with_key(true);
    const TlsContext accepts = TlsContext::accepts({}, {});
    Handshake here(dials, pair.here.native_handle(), key);
    Handshake there(accepts, pair.there.native_handle(), knows(known));
    there.set_gate(gate);
    return shake(io, here, pair.here, there, pair.there);
}

} // namespace

TEST_CASE("a gate is told whether a hello offers a known key, and then what the answer took")
{
    const PresharedKey key = some_key();
    NotingGate gate(true);
    const Shaken shaken = shaken_through(gate, key, key);
    CHECK(shaken.dialled.empty());
    CHECK(shaken.accepted.empty());
    REQUIRE(gate.offers.size() == 1);
    CHECK(gate.offers[0].any_key);
    CHECK(gate.offers[0].known_key);
    REQUIRE(gate.costs.size() == 1);
    CHECK(gate.costs[0] > 0s);
}

TEST_CASE("a hello that the gate refuses is answered with an alert, and with nothing that costs")
{
    PresharedKey key = some_key();
    PresharedKey known = key;
    known.identity += "another";
    NotingGate gate(false);
    const Shaken shaken = shaken_through(gate, key, known);
    CHECK(shaken.dialled_code == make_error_code(Errc::wrong_secret));
    CHECK(shaken.accepted_code == make_error_code(Errc::no_proof));
    REQUIRE(gate.offers.size() == 1);
    CHECK(gate.offers[0].any_key);
    CHECK_FALSE(gate.offers[0].known_key);
    CHECK(gate.costs.empty());
}

TEST_CASE("a hello that has to come a second time passes the gate a second time")
{
    asio::io_context io;
    tcp::acceptor acceptor(io, loopback());
    const PresharedKey key = some_key();
    auto playing = std::async(std::launch::async, [&] {
        // It guesses a group that is not known here, and offers the right one behind it.
        TlsStream peer(Stream::connect(acceptor.local_endpoint()), TlsEnd::dials,
                       {.key = key, .groups = "P-256:X25519"});
        return peer.with_key();
    });
    tcp::socket socket = acceptor.accept();
    const TlsContext context = TlsContext::accepts({}, {});
    Handshake handshake(context, socket.native_handle(), knows(key));
    NotingGate gate(true);
    handshake.set_gate(gate);
    CHECK_FALSE(failure_of(io, handshake.run(socket)).code());
    CHECK(playing.get());
    CHECK(gate.offers.size() == 2);
    CHECK(gate.costs.size() == 2);
}

TEST_CASE("two ends that know the same key come to an encrypted connection")
{
    const PresharedKey key = some_key();
    const Both both(key, knows(key));
    REQUIRE(both.good());
    CHECK(both.here.identity() == key.identity);
    CHECK(both.there.identity() == key.identity);
    CHECK(both.there.certificate_name().empty());
}

TEST_CASE("another key under the same name is no key")
{
    const PresharedKey key = some_key();
    PresharedKey other = key;
    other.key.bytes.back() ^= 1;
    const Both both(other, knows(key));
    CHECK(both.shaken.dialled_code == make_error_code(Errc::wrong_secret));
    CHECK_FALSE(both.shaken.accepted.empty());
}

TEST_CASE("a name that nobody knows is told from a connection that cannot be encrypted")
{
    const Both both(some_key(), knows_nobody());
    CHECK(both.shaken.dialled_code == make_error_code(Errc::wrong_secret));
    CHECK(both.shaken.accepted_code == make_error_code(Errc::no_proof));
}

TEST_CASE("control connections exchange fresh keys, data connections do without")
{
    const PresharedKey key = some_key();
    for (const bool fresh : {true, false}) {
        const Both both(key, knows(key), fresh);
        REQUIRE(both.good());
        CHECK(both.here.fresh_exchange() == fresh);
        CHECK(both.there.fresh_exchange() == fresh);
    }
}

TEST_CASE(
    "the exporter gives both ends the same key, on each connection and for each label its own")
{
    const PresharedKey key = some_key();
    std::vector<std::string> all;
    for (const bool fresh : {true, true, false, false}) {
        const Both both(key, knows(key), fresh);
        REQUIRE(both.good());
        CHECK(both.here.exporter("label").bytes == both.there.exporter("label").bytes);
        all.push_back(hex(both.here.exporter("label").bytes));
        all.push_back(hex(both.here.exporter("another").bytes));
    }
    std::ranges::sort(all);
    CHECK(std::ranges::adjacent_find(all) == all.end());
}

TEST_CASE("a server that shows a certificate instead of knowing the key is refused")
{
    // It would be taken for the remote proxy if nobody looked: TLS by itself leaves the choice
    // between key and certificate to the server.
    const Authority authority;
    const Certificate certificate = authority.here();
    bool finished = false;
    const auto failure = dialling_into([&](Stream stream) {
        TlsStream(std::move(stream), TlsEnd::accepts, {.certificate = certificate.files()});
        finished = true;
    });
    CHECK(failure.code() == make_error_code(Errc::wrong_secret));
    CHECK_FALSE(finished); // it was not even shown the end of the handshake
}

TEST_CASE("a certificate does not do for a key even where certificates are not checked")
{
    const Authority authority;
    const Certificate certificate = authority.here();
    asio::io_context io;
    SocketPair pair(io);
    const TlsContext dials = TlsContext::dials_with_certificate({}, {}, true);
    const TlsContext accepts = TlsContext::accepts(certificate.files(), {});
    Handshake here(dials, pair.here.native_handle(), some_key());
    Handshake there(accepts, pair.there.native_handle(), knows_nobody());
    const Shaken shaken = shake(io, here, pair.here, there, pair.there);
    CHECK(shaken.dialled_code == make_error_code(Errc::wrong_secret));
}

TEST_CASE("a server that knows the key is taken also by another library's rules")
{
    const PresharedKey key = some_key();
    const auto failure = dialling_into(
        [&](Stream stream) { TlsStream(std::move(stream), TlsEnd::accepts, {.key = key}); }, key);
    CHECK_FALSE(failure.code());
}

TEST_CASE("a server that speaks no TLS 1.3, or none at all, is told from one with another secret")
{
    const Authority authority;
    const Certificate certificate = authority.here();
    const auto none = make_error_code(Errc::no_encryption);
    CHECK(dialling_into([](Stream stream) { stream.receive(1); }).code() == Errc::cut_short);
    CHECK(dialling_into([](Stream stream) {
              stream.receive(1);
              stream.send("HTTP/1.1 400 Bad Request\r\n\r\n");
              stream.ending();
          }).code() == Errc::not_our_protocol);
    CHECK(dialling_into([](Stream stream) {
              stream.receive(1);
              stream.send(no_encryption_here);
              stream.ending();
          }).code() == none);
    const auto old = dialling_into([&](Stream stream) {
        TlsStream(std::move(stream), TlsEnd::accepts,
                  {.certificate = certificate.files(), .only_tls_1_2 = true});
    });
    CHECK(old.code().category() == error_category());
}

TEST_CASE("whoever offers no key gets nothing from an end that has no certificate")
{
    const PresharedKey key = some_key();
    CHECK(accepting([](Stream stream) { TlsStream(std::move(stream), TlsEnd::dials, {}); }, key)
              .code() == make_error_code(Errc::no_proof));
    CHECK(accepting(
              [&](Stream stream) {
                  TlsStream(std::move(stream), TlsEnd::dials, {.key = key, .only_tls_1_2 = true});
              },
              key)
              .code() == make_error_code(Errc::handshake_failed));
    CHECK(accepting([](Stream stream) { stream.send("GET / HTTP/1.1\r\n\r\n"); }, key).code() ==
          make_error_code(Errc::handshake_failed));
    CHECK(accepting([](Stream) {}, key).code() == asio::error::eof);
    CHECK_FALSE(
        accepting([&](Stream stream) { TlsStream(std::move(stream), TlsEnd::dials, {.key = key}); },
                  key)
            .code());
}

TEST_CASE("a name that was found but not proved is not the caller's")
{
    // With a certificate to fall back on, the accepting end goes on after a key that did not fit.
    const Authority authority;
    const Certificate certificate = authority.here();
    const PresharedKey key = some_key();
    asio::io_context io;
    SocketPair pair(io);
    const TlsContext dials = TlsContext::dials_with_certificate({}, {}, true);
    const TlsContext accepts = TlsContext::accepts(certificate.files(), {});
    Handshake here(dials, pair.here.native_handle(), "127.0.0.1");
    Handshake there(accepts, pair.there.native_handle(), knows(key));
    const Shaken shaken = shake(io, here, pair.here, there, pair.there);
    CHECK(shaken.dialled.empty());
    CHECK(shaken.accepted.empty());
    CHECK(there.identity().empty());
}

TEST_CASE("a peer that stays silent in the middle of a handshake is given up in time")
{
    asio::io_context io;
    SocketPair pair(io);
    const TlsContext dials = TlsContext::dials_with_key(true);
    const TlsContext accepts = TlsContext::accepts({}, {});
    const auto began = Clock::now();
    SUBCASE("by the dialling end")
    {
        Handshake handshake(dials, pair.here.native_handle(), some_key());
        const Deadline limit(pair.here, 50ms);
        CHECK(failure_of(io, handshake.run(pair.here)).code() == asio::error::operation_aborted);
        CHECK(limit.passed());
    }
    SUBCASE("by the accepting end, after a part of the first record")
    {
        write(pair.here, std::string_view("\x16\x03\x01\x02", 4));
        Handshake handshake(accepts, pair.there.native_handle(), knows_nobody());
        const Deadline limit(pair.there, 50ms);
        CHECK(failure_of(io, handshake.run(pair.there)).code() == asio::error::operation_aborted);
        CHECK(limit.passed());
    }
    CHECK(Clock::now() - began < 5s);
    CHECK(runs_dry(io));
}

TEST_CASE("a deadline that is over before its time touches nothing")
{
    asio::io_context io;
    SocketPair pair(io);
    {
        const Deadline limit(pair.here, 0ms);
    }
    CHECK(runs_dry(io));
    CHECK(pair.here.is_open());
}
