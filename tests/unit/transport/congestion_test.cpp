#include <doctest/doctest.h>

#include "common/transport/congestion.hpp"
#include "common/transport/dial.hpp"
#include "common/transport/listener.hpp"
#include "tests/unit/io.hpp"

using namespace std::chrono_literals;
using namespace tunnel;
using namespace tunnel::test;

namespace {

struct Ends {
    std::string accepted;
    std::string connected;
};

// What both sockets of a connection over loopback got.
Ends ends_of_connection(const Congestion& congestion)
{
    asio::io_context io;
    Listener listener(io, loopback(), congestion, Hop::between);
    listener.open();
    Dial dial(io.get_executor(), {listener.endpoint()}, 5s, congestion, Hop::between);
    Ends ends;
    run(io, [&]() -> awaitable<void> {
        const Dialled dialled = co_await dial.finish();
        ends.connected = congestion_of(dialled.socket.get());
        co_await listener.wait();
    });
    std::error_code error;
    const auto accepted = listener.accept(error);
    REQUIRE_MESSAGE(accepted.has_value(), error.message());
    ends.accepted = congestion_of(accepted->socket.get());
    return ends;
}

std::string choice_of_the_system()
{
    const Fd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    return congestion_of(socket.get());
}

} // namespace

TEST_CASE(
    "over loopback neither end gets a congestion control that paces, whatever the system's is")
{
    const Ends ends = ends_of_connection(Congestion::automatic());
    CHECK((ends.accepted == "cubic" || ends.accepted == "reno"));
    CHECK(ends.connected == ends.accepted);
}

TEST_CASE("a congestion control that is named goes to both ends, and off leaves the system's")
{
    const auto reno = Congestion::parse("reno"); // everybody may have it
    REQUIRE(reno.has_value());
    const Ends named = ends_of_connection(*reno);
    CHECK(named.accepted == "reno");
    CHECK(named.connected == "reno");

    const Ends untouched = ends_of_connection(Congestion::off());
    CHECK(untouched.accepted == choice_of_the_system());
    CHECK(untouched.connected == choice_of_the_system());
}

TEST_CASE("a congestion control that the kernel does not have is refused")
{
    for (const std::string& name : {std::string("nosuch"), std::string(), std::string(40, 'x')})
        CHECK_FALSE(Congestion::parse(name).has_value());
    CHECK(Congestion::parse("auto").has_value());
    CHECK(Congestion::parse("off").has_value());
}
