// Several origin proxies by name, and what happens when the file with their secrets changes.
#include <doctest/doctest.h>

#include <fmt/format.h>

#include "common/security/session.hpp"
#include "tests/support/stream_frames.hpp"
#include "tests/support/temporary_file.hpp"
#include "tests/support/trusted.hpp"
#include "tests/unit/captured.hpp"

using namespace std::chrono_literals;
using namespace tunnel;
using namespace tunnel::test;

namespace {

std::string table(std::string_view name, std::initializer_list<std::string_view> secrets)
{
    return fmt::format("[origins.{}]\nsecrets = [\"{}\"]\n", name, fmt::join(secrets, "\", \""));
}

struct Remote {
    explicit Remote(Encryption encryption = Encryption::automatic)
        : options([&] {
              RemoteOptions all = remote_options();
              all.trust.secrets_file = file.path();
              all.trust.encryption = encryption;
              return all;
          }())
    {
    }

    tcp::endpoint control() const { return proxy.proxy().control_endpoint(); }

    // What is wrong; empty: nothing.
    std::string reload(const std::string& text)
    {
        file.write(text);
        return test::reload(proxy, options);
    }

    std::string roof = generate_secret();
    std::string cellar = generate_secret();
    Credential at_roof = parse_secret(roof, "");
    Credential at_cellar = parse_secret(cellar, "");
    TemporaryFile file{table("roof", {roof}) + table("cellar", {cellar})};
    RemoteOptions options;
    RunningRemote proxy{options};
};

bool lives(TlsStream& control)
{
    control.send(Probe());
    return control.below().readable_within(5s) && control.below().ending(100ms) == Ending::silence;
}

// Whether a log-in over TLS is welcome.
bool gets_in(const tcp::endpoint& remote, const Credential& secret)
{
    try {
        const SecureOrigin origin(remote, secret);
        return true;
    } catch (const std::runtime_error&) {
        return false;
    }
}

} // namespace

TEST_CASE("a secret that is taken away ends its session at once, and does not come back")
{
    Remote remote;
    SecureOrigin origin(remote.control(), remote.at_roof);
    remote.reload(table("cellar", {remote.cellar}));
    CHECK(origin.control.receive_frame<Goodbye>().code == Code::not_trusted);
    CHECK(origin.control.ending() != Ending::silence);
    CHECK_FALSE(gets_in(remote.control(), remote.at_roof));
    CHECK(gets_in(remote.control(), remote.at_cellar));
}

TEST_CASE("a secret that is taken away is refused without encryption too")
{
    Remote remote(Encryption::off);
    ProvingOrigin origin(remote.control(), remote.at_roof);
    remote.reload(table("cellar", {remote.cellar}));
    origin.control.receive_frame<Goodbye>();
    CHECK(origin.control.ending() != Ending::silence);
    Stream again = Stream::connect(remote.control());
    again.send(magic_bytes() + encode(claiming(remote.at_roof)));
    CHECK(again.receive_frame<Reject>().reason == RejectReason::not_trusted);
    const ProvingOrigin other(remote.control(), remote.at_cellar);
}

TEST_CASE("a reload that leaves a secret where it is disturbs nobody")
{
    Remote remote;
    SecureOrigin origin(remote.control(), remote.at_roof, true);
    TlsStream parked = origin.park();
    CHECK(eventually([&] {
        return remote.proxy.on_its_thread([](RemoteProxy& proxy) { return proxy.parked(); }) == 1;
    }));
    const std::string fresh = generate_secret();
    remote.reload(table("roof", {fresh, remote.roof}));
    Stream visitor = Stream::connect(remote.proxy.proxy().outside_endpoint());
    parked.receive_frame<Announce>();
    parked.send(start_frame + data_frame("served"));
    CHECK(visitor.receive(6) == "served");
    CHECK(lives(origin.control));
    CHECK(gets_in(remote.control(), parse_secret(fresh, "")));
}

TEST_CASE("a file that cannot be used changes nothing, and the error says why without the secret")
{
    Remote remote;
    SecureOrigin origin(remote.control(), remote.at_roof);
    for (const std::string& text :
         {std::string(), std::string("this line cannot be read"), table("roof", {"hunter2"}),
          table("roof", {remote.roof}) + table("cellar", {remote.roof})}) {
        const std::string error = remote.reload(text);
        CAPTURE(error);
        CHECK(error.find(remote.file.path()) != std::string::npos);
        CHECK(error.find(remote.roof) == std::string::npos);
        CHECK(error.find("hunter2") == std::string::npos);
    }
    CHECK(lives(origin.control));
    CHECK(gets_in(remote.control(), remote.at_roof));
}

TEST_CASE("another name is told that the service is in use, and the holder keeps it")
{
    Remote remote;
    SecureOrigin origin(remote.control(), remote.at_roof);
    TlsStream other = secure_stream(remote.control(), control_key(remote.at_cellar), true);
    LogIn log_in = log_in_by_hand();
    log_in.origin = origin.log_in.origin; // which anyone may have seen, and is no proof
    other.send(magic_bytes() + encode(log_in));
    CHECK(other.receive_frame<Notice>().text.find("in use") != std::string::npos);
    CHECK(std::holds_alternative<Probe>(origin.control.receive_frame()));
    origin.control.send(Heartbeat());
    CHECK(other.receive_frame<Reject>().reason == RejectReason::in_use);
    CHECK(lives(origin.control));
}

TEST_CASE(
    "two secrets of one name are the same origin proxy, which takes over from one that is silent")
{
    Remote remote;
    const std::string fresh = generate_secret();
    remote.reload(table("roof", {remote.roof, fresh}));
    SecureOrigin old(remote.control(), remote.at_roof);
    const auto began = Clock::now();
    SecureOrigin origin(remote.control(), parse_secret(fresh, ""));
    CHECK(Clock::now() - began < 1s);
    CHECK(old.control.below().ending() != Ending::silence);
    remote.reload(table("roof", {fresh})); // the old one is no longer needed
    CHECK(lives(origin.control));
}
