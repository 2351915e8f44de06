// Strangers at the control address who take what they can get, beside somebody who is slow.
#include <doctest/doctest.h>

#include <arpa/inet.h>
#include <sys/socket.h>

#include "tests/support/trusted.hpp"

using namespace std::chrono_literals;
using namespace tunnel;
using namespace tunnel::test;

namespace {

// Silent connections to the control address, from an address of this machine.
class Strangers {
public:
    Strangers(const RunningRemote& remote, const char* from, int number)
    {
        for (int i = 0; i < number; ++i)
            sockets_.push_back(connected(remote.proxy().control_endpoint(), from));
    }

private:
    static Fd connected(const tcp::endpoint& remote, const char* from)
    {
        Fd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
        sockaddr_in own{};
        own.sin_family = AF_INET;
        ::inet_pton(AF_INET, from, &own.sin_addr);
        REQUIRE(::bind(socket.get(), reinterpret_cast<const sockaddr*>(&own), sizeof own) == 0);
        REQUIRE(::connect(socket.get(), remote.data(), static_cast<socklen_t>(remote.size())) == 0);
        return socket;
    }

    std::vector<Fd> sockets_;
};

RemoteOptions with_little_room(RemoteOptions options)
{
    options.descriptor_limit = 64; // leaves room for ten
    return options;
}

} // namespace

TEST_CASE("strangers from one address do not push out a log-in that comes from another, slowly")
{
    const RunningRemote remote(with_little_room(remote_options()));
    Stream slow = Stream::connect(remote.proxy().control_endpoint());
    const std::string hello = magic_bytes() + encode(log_in_by_hand());
    slow.send(hello.substr(0, 2));
    const Strangers first(remote, "127.0.0.9", 30);
    slow.send(hello.substr(2, 10));
    const Strangers second(remote, "127.0.0.9", 30);
    slow.send(hello.substr(12));
    CHECK_NOTHROW(slow.receive_frame<Welcome>());
}

TEST_CASE("a handshake with a good key is not pushed out by strangers, also of its own address")
{
    const Credential secret = some_secret();
    const RunningRemote remote(with_little_room(trusting(secret)));
    for (const char* const from : {"127.0.0.9", "127.0.0.1"}) {
        CAPTURE(from);
        TlsStream slow =
            secure_stream(remote.proxy().control_endpoint(), control_key(secret), true);
        const Strangers strangers(remote, from, 40);
        slow.send(magic_bytes() + encode(log_in_by_hand()));
        Frame answer = slow.receive_frame();
        while (std::holds_alternative<Notice>(answer)) // the one before may not be gone yet
            answer = slow.receive_frame();
        CHECK(std::holds_alternative<Welcome>(answer));
    }
}

TEST_CASE("who was asked for the proof of a secret is not pushed out by strangers meanwhile")
{
    const Credential secret = some_secret();
    const RunningRemote remote(with_little_room(trusting(secret, Encryption::off)));
    Stream slow = Stream::connect(remote.proxy().control_endpoint());
    slow.send(magic_bytes() + encode(claiming(secret)));
    slow.receive_frame<Challenge>();
    const Strangers strangers(remote, "127.0.0.1", 40);
    slow.send(Proof{}); // which is wrong, and is heard
    CHECK(slow.receive_frame<Reject>().reason == RejectReason::not_trusted);
}
