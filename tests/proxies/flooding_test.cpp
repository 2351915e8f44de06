// Peers who send without a pause what is no visitor's, beside others who go on being served.
#include <doctest/doctest.h>

#include <atomic>
#include <thread>

#include <sys/socket.h>

#include "common/security/proof.hpp"
#include "tests/proxies/named_origins.hpp"
#include "tests/support/trusted.hpp"

using namespace std::chrono_literals;
using namespace tunnel;
using namespace tunnel::test;

namespace {

const std::string unknown_frame("\0\3\xc8", 3);

// Of `size` bytes, in one field of an unknown tag.
std::string large_unknown_frame(std::size_t size)
{
    const auto two_bytes = [](std::size_t number) {
        return std::string{static_cast<char>(number >> 8), static_cast<char>(number)};
    };
    return two_bytes(size) + "\xc8\xc8" + two_bytes(size - 6) + std::string(size - 6, 'x');
}

std::string many(const std::string& bytes)
{
    std::string all;
    while (all.size() < 60'000)
        all += bytes;
    return all;
}

// Sends the same bytes again and again, until the other end has had enough or this is destroyed.
class Flood {
public:
    Flood(Stream& stream, std::string bytes)
        : stream_(stream), thread_([this, bytes = std::move(bytes)] {
              constexpr std::size_t most = 500'000'000;
              try {
                  while (!over_ && sent_ < most) {
                      stream_.send(bytes);
                      sent_ += bytes.size();
                  }
              } catch (const std::system_error&) { // it was closed
                  refused_ = true;
              }
          })
    {
    }

    ~Flood()
    {
        over_ = true;
        ::shutdown(stream_.descriptor(), SHUT_RDWR); // it may wait to be read
        thread_.join();
    }

    std::size_t sent() const { return sent_; }

    // The other end has closed the connection.
    bool refused() const { return refused_; }

private:
    Stream& stream_;
    std::atomic<std::size_t> sent_ = 0;
    std::atomic<bool> refused_ = false;
    std::atomic<bool> over_ = false;
    std::thread thread_;
};

Welcome some_welcome()
{
    Welcome welcome;
    welcome.version = 1;
    welcome.outside_address = "192.0.2.1:80";
    welcome.heartbeat_timeout = 10s;
    welcome.session = SessionId{random_bytes()};
    return welcome;
}

// An origin proxy with two remote proxies, both played by hand; the second one is hostile.
struct Between {
    explicit Between(const std::function<void(OriginOptions&)>& change = {})
    {
        OriginOptions options = origin_options(good.endpoint(), origin_server.endpoint());
        options.remote_proxies.push_back({{"127.0.0.1", hostile.endpoint().port()}});
        options.first_retry = 1h; // the hostile one is tried once
        options.slowest_retry = 1h;
        if (change)
            change(options);
        proxy.emplace(options, nullptr);
    }

    static std::pair<Stream, LogIn> log_in_at(Server& remote)
    {
        Stream control = remote.accept();
        CHECK(control.receive(magic.size()) == magic_bytes());
        auto log_in = control.receive_frame<LogIn>();
        return {std::move(control), std::move(log_in)};
    }

    // Each by a fresh data connection, whatever the origin proxy keeps ready.
    void check_that_visitors_are_served(Stream& control)
    {
        for (int i = 0; i < 20; ++i) {
            const Announce announce = announcement();
            control.send(announce);
            Stream data = dialled_back(announce.ticket);
            Stream server = origin_server.accept();
            data.send(data_frame("question"));
            CHECK(server.receive(8) == "question");
            server.send("answer");
            CHECK(data.receive(start_frame.size() + 9) == start_frame + data_frame("answer"));
        }
    }

    Stream dialled_back(const Ticket& ticket)
    {
        for (;;) {
            Stream data = good.accept();
            CHECK(data.receive(magic.size()) == magic_bytes());
            const Frame frame = data.receive_frame();
            if (const auto* const dial_back = std::get_if<DialBack>(&frame)) {
                CHECK(dial_back->ticket == ticket);
                return data;
            }
            parked.push_back(std::move(data));
        }
    }

    Server good;
    Server hostile;
    Server origin_server;
    std::vector<Stream> parked; // at the good one
    std::optional<RunningOrigin> proxy;
};

} // namespace

TEST_CASE("an impostor that sends notices instead of its proof keeps nobody waiting and is left")
{
    const Credential secret = some_secret();
    Between between([&](OriginOptions& options) {
        options = trusting(options, secret, Encryption::off);
        options.parked_connections = 0;
    });
    auto [control, log_in] = Between::log_in_at(between.good);
    const RandomBytes nonce = random_bytes();
    control.send(Challenge{nonce, prove(secret.log_in, Role::remote, log_in, nonce)});
    control.receive_frame<Proof>();
    control.send(some_welcome());
    auto [impostor, other_log_in] = Between::log_in_at(between.hostile);
    const Flood flood(impostor, many(encode(Notice{"x"})));
    between.check_that_visitors_are_served(control);
    CHECK(eventually([&] { return flood.refused(); }));
}

TEST_CASE("an impostor that sends unknown frames instead of its proof is left as well")
{
    const Credential secret = some_secret();
    Between between(
        [&](OriginOptions& options) { options = trusting(options, secret, Encryption::off); });
    auto [impostor, log_in] = Between::log_in_at(between.hostile);
    const Flood flood(impostor, many(unknown_frame));
    CHECK(eventually([&] { return flood.refused(); }));
}

TEST_CASE("a remote proxy that floods its control connection keeps no visitor of another waiting")
{
    Between between;
    auto [control, log_in] = Between::log_in_at(between.good);
    control.send(some_welcome());
    auto [hostile, other_log_in] = Between::log_in_at(between.hostile);
    hostile.send(some_welcome());
    std::string bytes;
    SUBCASE("with unknown frames")
    {
        bytes = many(unknown_frame);
    }
    SUBCASE("with large unknown frames")
    {
        bytes = many(large_unknown_frame(0xffff));
    }
    SUBCASE("with heartbeats")
    {
        bytes = many(encode(Heartbeat()));
    }
    SUBCASE("with probes")
    {
        bytes = many(encode(Probe()));
    }
    const Flood flood(hostile, bytes);
    REQUIRE(eventually([&] { return flood.sent() > 0; }));
    between.check_that_visitors_are_served(control);
    CHECK_FALSE(flood.refused());
}

TEST_CASE(
    "a parked connection on which a remote proxy floods ends, and no visitor of another waits")
{
    Between between;
    auto [control, log_in] = Between::log_in_at(between.good);
    control.send(some_welcome());
    auto [hostile, other_log_in] = Between::log_in_at(between.hostile);
    hostile.send(some_welcome());
    Stream parked = between.hostile.accept();
    CHECK(parked.receive(magic.size()) == magic_bytes());
    parked.receive_frame<Park>();
    std::string bytes;
    SUBCASE("with unknown frames")
    {
        bytes = many(unknown_frame);
    }
    SUBCASE("with large unknown frames")
    {
        bytes = many(large_unknown_frame(0xfff));
    }
    SUBCASE("with frames that have no meaning there")
    {
        bytes = many(encode(Heartbeat()));
    }
    const Flood flood(parked, bytes);
    between.check_that_visitors_are_served(control);
    CHECK(eventually([&] { return flood.refused(); }));
}

TEST_CASE("a parked connection takes an announcement behind some frames of a later version")
{
    Between between;
    auto [control, log_in] = Between::log_in_at(between.hostile);
    control.send(some_welcome());
    Stream parked = between.hostile.accept();
    CHECK(parked.receive(magic.size()) == magic_bytes());
    parked.receive_frame<Park>();
    const std::string large = large_unknown_frame(0xfff);
    for (int i = 0; i < 8; ++i)
        parked.send(unknown_frame + large); // more than is read in one turn
    parked.send(encode(announcement()) + data_frame("question"));
    Stream server = between.origin_server.accept();
    CHECK(server.receive(8) == "question");
}

TEST_CASE("an origin proxy that floods its control connection keeps no visitor of another waiting")
{
    Remote remote({service("web", {"roof"}), service("mail", {"cellar"})});
    Origin roof(remote, remote.roof);
    roof.opened("web");
    Origin cellar(remote, remote.cellar);
    std::string bytes;
    SUBCASE("with unknown frames")
    {
        bytes = many(unknown_frame);
    }
    SUBCASE("with probes")
    {
        bytes = many(encode(Probe()));
    }
    SUBCASE("with refusals of visitors that there are not")
    {
        bytes = many(encode(Refuse{Ticket{random_bytes()}, "no"}));
    }
    const Flood flood(cellar.control, bytes);
    REQUIRE(eventually([&] { return flood.sent() > 0; }));
    for (int i = 0; i < 20; ++i) {
        Stream visitor = Stream::connect(remote.outside("web"));
        Stream data = roof.serve();
        check_served(visitor, data);
    }
    CHECK_FALSE(flood.refused());
}

TEST_CASE("key updates on a control connection end it, and the next one may log in")
{
    const Credential secret = some_secret();
    RunningRemote remote(trusting(secret));
    const tcp::endpoint endpoint = remote.proxy().control_endpoint();
    {
        SecureOrigin hostile(endpoint, secret);
        const auto flood = [&hostile] {
            for (int i = 0; i < 10'000; ++i) {
                hostile.control.update_keys();
                if (i % 16 == 0)
                    hostile.control.send(Heartbeat());
            }
        };
        CHECK_THROWS_AS(flood(), std::runtime_error);
    }
    SecureOrigin origin(endpoint, secret);
    Stream visitor = Stream::connect(remote.proxy().outside_endpoint());
    CHECK(std::holds_alternative<Announce>(origin.control.receive_frame()));
}
