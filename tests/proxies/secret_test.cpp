// Both proxies together, with a secret: encrypted, and with proofs where encryption is off.
#include <doctest/doctest.h>

#include <future>

#include "tests/support/middle.hpp"
#include "tests/support/trusted.hpp"
#include "tests/unit/captured.hpp"

using namespace std::chrono_literals;
using namespace tunnel;
using namespace tunnel::test;

namespace {

#ifdef __SANITIZE_ADDRESS__
constexpr int many = 300;
#else
constexpr int many = 2000;
#endif

// visitor - remote - middle - origin - server
struct Tunnel {
    explicit Tunnel(Encryption encryption = Encryption::automatic,
                    const std::function<void(OriginOptions&)>& change = {})
        : remote(trusting(secret, encryption)),
          origin(
              [&] {
                  OriginOptions options = trusting(
                      origin_options(middle.endpoint(), server.endpoint()), secret, encryption);
                  if (change)
                      change(options);
                  return options;
              }(),
              nullptr)
    {
        CHECK(eventually([&] { return logged_in(); }));
    }

    bool logged_in()
    {
        return origin.on_its_thread([](OriginProxy& proxy) { return proxy.logged_in(); });
    }

    std::size_t parked()
    {
        return remote.on_its_thread([](RemoteProxy& proxy) { return proxy.parked(); });
    }

    std::size_t visitors()
    {
        return remote.on_its_thread([](RemoteProxy& proxy) { return proxy.visitors(); }) +
               origin.on_its_thread([](OriginProxy& proxy) { return proxy.visitors(); });
    }

    Stream visit() { return Stream::connect(remote.proxy().outside_endpoint()); }

    Credential secret = some_secret();
    Server server;
    RunningRemote remote;
    Middle middle{remote.proxy().control_endpoint()};
    RunningOrigin origin;
};

// By turns, with and without encryption, with and without parked connections.
void in_every_way(const std::function<void(Tunnel&)>& test)
{
    for (const Encryption encryption : {Encryption::automatic, Encryption::off}) {
        for (const bool parks : {true, false}) {
            CAPTURE(parks);
            CAPTURE(encryption);
            Tunnel tunnel(encryption, [parks](OriginOptions& options) {
                if (!parks)
                    options.parked_connections = 0;
            });
            test(tunnel);
            CHECK(eventually([&] { return tunnel.visitors() == 0; }));
        }
    }
}

} // namespace

TEST_CASE("with a secret a visitor may finish sending and still receive the answer")
{
    in_every_way([](Tunnel& tunnel) {
        for (int i = 0; i < 3; ++i) {
            Stream visitor = tunnel.visit();
            visitor.send("ping");
            visitor.finish();
            Stream server = tunnel.server.accept();
            CHECK(server.receive_all() == "ping");
            server.send("pong");
            server.finish();
            CHECK(visitor.receive_all() == "pong");
        }
    });
}

TEST_CASE("with a secret the origin server may speak first, finish first, and still be sent to")
{
    in_every_way([](Tunnel& tunnel) {
        Stream visitor = tunnel.visit();
        Stream server = tunnel.server.accept();
        server.send("220 ready");
        server.finish();
        CHECK(visitor.receive_all() == "220 ready");
        visitor.send("late");
        visitor.finish();
        CHECK(server.receive_all() == "late");
    });
}

TEST_CASE("with a secret a reset is passed on as a reset, both ways")
{
    in_every_way([](Tunnel& tunnel) {
        for (const bool of_visitor : {true, false}) {
            Stream visitor = tunnel.visit();
            visitor.send("x");
            Stream server = tunnel.server.accept();
            CHECK(server.receive(1) == "x");
            server.send("y");
            CHECK(visitor.receive(1) == "y");
            Stream& cutting = of_visitor ? visitor : server;
            Stream& other = of_visitor ? server : visitor;
            cutting.reset();
            CHECK(other.ending() == Ending::reset);
        }
    });
}

TEST_CASE("with a secret large streams arrive whole, both ways at once")
{
    in_every_way([](Tunnel& tunnel) {
        const std::string up = random_text(5'000'000, 1);
        const std::string down = random_text(4'000'000, 2);
        Stream visitor = tunnel.visit();
        auto serving = std::async(std::launch::async, [&] {
            Stream server = tunnel.server.accept();
            auto sending = std::async(std::launch::async, [&] {
                server.send(down);
                server.finish();
            });
            std::string came = server.receive_all();
            sending.get();
            return came;
        });
        auto sending = std::async(std::launch::async, [&] {
            visitor.send(up);
            visitor.finish();
        });
        CHECK((visitor.receive_all() == down));
        sending.get();
        CHECK((serving.get() == up));
    });
}

TEST_CASE("nothing that visitors say can be read on the way, unless encryption is off")
{
    for (const Encryption encryption : {Encryption::automatic, Encryption::off}) {
        Tunnel tunnel(encryption);
        Stream visitor = tunnel.visit();
        visitor.send("the visitor's password");
        Stream server = tunnel.server.accept();
        server.receive(22);
        server.send("the server's answer");
        visitor.receive(19);
        const std::string seen = tunnel.middle.everything();
        const bool off = encryption == Encryption::off;
        CHECK((seen.find("password") != std::string::npos) == off);
        CHECK((seen.find("answer") != std::string::npos) == off);
        // Neither can the keys that a secret stands for.
        for (const Key* const key : {&tunnel.secret.tls, &tunnel.secret.log_in}) {
            const std::string bytes(key->bytes.begin(), key->bytes.end());
            CHECK(seen.find(bytes) == std::string::npos);
        }
    }
}

TEST_CASE("thousands of visitors one after the other use the same few data connections")
{
    for (const Encryption encryption : {Encryption::automatic, Encryption::off}) {
        Tunnel tunnel(encryption);
        for (int i = 0; i < many; ++i) {
            CHECK(eventually([&] { return tunnel.parked() > 0; }));
            Stream visitor = tunnel.visit();
            const std::string text = random_text(static_cast<std::size_t>(i % 500), 3);
            visitor.send(text);
            visitor.finish();
            Stream server = tunnel.server.accept();
            CHECK((server.receive_all() == text));
            server.send(text);
            server.finish();
            CHECK((visitor.receive_all() == text));
        }
        CHECK(tunnel.middle.connections() < 100); // some more are parked where all is slow
    }
}

TEST_CASE("a connection that is cut between the proxies is a reset for both, never a clean end")
{
    for (const bool parks : {true, false}) {
        CAPTURE(parks);
        Tunnel tunnel(Encryption::automatic, [parks](OriginOptions& options) {
            options.parked_connections = parks ? 1 : 0;
        });
        if (parks)
            CHECK(eventually([&] { return tunnel.parked() == 1; }));
        Stream visitor = tunnel.visit();
        visitor.send("half a");
        Stream server = tunnel.server.accept();
        CHECK(server.receive(6) == "half a");
        server.send("half an answer");
        CHECK(visitor.receive(14) == "half an answer");
        // TCP's end without TLS's, as a program that is killed leaves it, or somebody on the way.
        for (std::size_t i = 1; i < tunnel.middle.connections(); ++i)
            tunnel.middle.end(i);
        CHECK(visitor.ending() == Ending::reset);
        CHECK(server.ending() == Ending::reset);
        CHECK(tunnel.logged_in());
    }
}

TEST_CASE("an answer that is changed on the way never reaches the visitor, who sees a reset")
{
    Tunnel tunnel(Encryption::automatic,
                  [](OriginOptions& options) { options.parked_connections = 0; });
    Stream visitor = tunnel.visit();
    visitor.send("question");
    Stream server = tunnel.server.accept();
    CHECK(server.receive(8) == "question");
    tunnel.middle.change_answer(1); // of the remote proxy: the visitor's bytes
    visitor.send("more");
    CHECK(server.ending() == Ending::reset);
    CHECK(visitor.ending() == Ending::reset);
}

TEST_CASE("visitors who are being served outlive the control connection, and so do those who wait")
{
    for (const Encryption encryption : {Encryption::automatic, Encryption::off}) {
        Tunnel tunnel(encryption);
        Stream visitor = tunnel.visit();
        visitor.send("before");
        Stream server = tunnel.server.accept();
        CHECK(server.receive(6) == "before");
        tunnel.middle.end(0);
        CHECK(eventually([&] { return tunnel.middle.connections() > 2; }));
        Stream waiting = tunnel.visit();
        waiting.send("hello");
        const auto heard = [&tunnel] { return tunnel.server.accept().receive(5); };
        std::string first;
        try {
            first = heard();
        } catch (const std::exception&) {
            // Announced just before the control connection ended, it is announced once more.
            first = heard();
        }
        CHECK(first == "hello");
        visitor.send("after");
        CHECK(server.receive(5) == "after");
        server.send("answer");
        CHECK(visitor.receive(6) == "answer");
    }
}

TEST_CASE("an origin proxy with another secret, or none, is told what to do and never serves")
{
    const Credential secret = some_secret();
    for (const Encryption encryption : {Encryption::automatic, Encryption::off}) {
        RunningRemote remote(trusting(secret, encryption));
        const Server server;
        const auto log_with = [&](OriginOptions options) {
            options.max_retries = 0;
            return log_of([&] {
                const RunningOrigin origin(options, nullptr);
                eventually([&] { return origin.ended(); });
            });
        };
        const OriginOptions plain =
            origin_options(remote.proxy().control_endpoint(), server.endpoint());
        const auto tells = [](const std::string& log) {
            CAPTURE(log);
            CHECK(log.find(" error cannot log in") != std::string::npos);
            CHECK(log.find("--secret-file") != std::string::npos);
        };
        tells(log_with(trusting(plain, some_secret(), encryption)));
        tells(log_with(plain));
        const Encryption unlike =
            encryption == Encryption::off ? Encryption::automatic : Encryption::off;
        tells(log_with(trusting(plain, secret, unlike)));
        const auto counts =
            remote.on_its_thread([](const RemoteProxy& proxy) { return proxy.status().counts; });
        CHECK(counts.no_proof >= 2); // TLS where there is none is no try
        CHECK(counts.log_ins == 0);
    }
}

TEST_CASE("a remote proxy without a secret is refused by an origin proxy that has one")
{
    const RunningRemote remote(remote_options());
    const Server server;
    for (const Encryption encryption : {Encryption::automatic, Encryption::off}) {
        OriginOptions options =
            trusting(origin_options(remote.proxy().control_endpoint(), server.endpoint()),
                     some_secret(), encryption);
        options.max_retries = 0;
        const std::string log = log_of([&] {
            const RunningOrigin origin(options, nullptr);
            eventually([&] { return origin.ended(); });
        });
        CAPTURE(log);
        CHECK(log.find("cannot log in") != std::string::npos);
        CHECK(log.find("--secret-file") != std::string::npos);
    }
}
