// How much a direction does before the others have their turn, beside peers whose bytes take long
// and move nothing.
#include <doctest/doctest.h>

#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "common/relay/pair.hpp"
#include "common/transport/record_guard.hpp"
#include "tests/support/joined.hpp"
#include "tests/support/secured.hpp"
#include "tests/support/stream_frames.hpp"

using namespace tunnel;
using namespace tunnel::test;

namespace {

constexpr std::size_t budget = 64 * 1024;

// One that takes frames off, with nobody else to serve.
struct Pumped {
    explicit Pumped(std::size_t piece) : buffer(piece) { direction.can_read(); }

    Progress pump(Channel& from, Channel& to)
    {
        const std::uint64_t before = direction.work();
        const Progress progress =
            direction.pump(from, to, {buffer, pipes, Bandwidth::Clock::now()}, budget);
        worked = direction.work() - before;
        return progress;
    }

    std::vector<std::byte> buffer;
    PipePool pipes{0};
    Direction direction{Framing::takes_off};
    std::uint64_t worked = 0;
};

int waiting_in(int descriptor)
{
    int bytes = 0;
    ::ioctl(descriptor, FIONREAD, &bytes);
    return bytes;
}

std::string many(const std::string& bytes, std::size_t size)
{
    std::string all;
    while (all.size() < size)
        all += bytes;
    return all;
}

} // namespace

TEST_CASE("frames with nothing in them use the budget up, and what is left comes in later turns")
{
    for (const std::string& frame :
         {data_frame(""), stream_frame(static_cast<StreamFrame>(200)),
          stream_frame(static_cast<StreamFrame>(200), "future"), start_frame}) {
        Connected from = connected();
        Connected to = connected();
        prepare_for_relay(from.there.descriptor());
        prepare_for_relay(to.there.descriptor());
        from.here.send(many(frame, 50'000) + data_frame("hello"));
        Pumped pumped(8 * 1024);
        Channel source(from.there.release());
        Channel target(to.there.release());
        REQUIRE(eventually([&] { return waiting_in(source.descriptor()) > 50'000; }));
        CHECK(pumped.pump(source, target) == Progress::more);
        CHECK(pumped.worked >= budget);
        CHECK(waiting_in(source.descriptor()) > 30'000); // one piece was read, and no more
        int turns = 1;
        while (pumped.pump(source, target) == Progress::more && turns < 1000)
            ++turns;
        CHECK(turns >= 3);
        CHECK(to.here.receive(5) == "hello");
        CHECK(pumped.direction.bytes() == 5);
    }
}

TEST_CASE("TLS records with a byte each use the budget up sooner than their bytes would")
{
    Secured secure = secured();
    Connected to = connected();
    prepare_for_relay(to.there.descriptor());
    constexpr std::size_t records = 1500;
    const std::string bytes = many(data_frame("x"), records).substr(0, records);
    const auto cork = [&secure](int on) { // in few segments, as a flood comes
        ::setsockopt(secure.dialled.descriptor(), IPPROTO_TCP, TCP_CORK, &on, sizeof on);
    };
    cork(1);
    for (const char byte : bytes)
        REQUIRE(secure.dialled.send(std::as_bytes(std::span(&byte, 1))) == 1);
    cork(0);
    Pumped pumped(encrypted_piece);
    Channel target(to.there.release());
    REQUIRE(eventually([&] { return waiting_in(secure.accepted.descriptor()) > 30'000; }));
    CHECK(pumped.pump(secure.accepted, target) == Progress::more);
    CHECK(secure.accepted.tls().guard().records() < 1000);
    CHECK(waiting_in(secure.accepted.descriptor()) > 8'000);
    while (pumped.pump(secure.accepted, target) == Progress::more)
        ;
    CHECK(to.here.receive(bytes.size() / 4) == std::string(bytes.size() / 4, 'x'));
}
