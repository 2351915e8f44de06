#include <doctest/doctest.h>

#include <sys/stat.h>
#include <unistd.h>

#include "common/transport/unix_dial.hpp"
#include "tests/support/unix_server.hpp"
#include "tests/unit/io.hpp"

using namespace std::chrono_literals;
using namespace tunnel;
using namespace tunnel::test;

namespace {

// A server whose queue is full.
struct Full {
    Full()
    {
        while (true) {
            UnixAttempt attempt = try_unix(server.path());
            if (attempt.error) {
                CHECK(attempt.error == std::errc::resource_unavailable_try_again);
                break;
            }
            waiting.push_back(std::move(attempt.socket));
        }
    }

    UnixServer server{0};
    std::vector<Fd> waiting;
};

} // namespace

TEST_CASE("a Unix socket is connected at once")
{
    UnixServer server;
    UnixAttempt attempt = try_unix(server.path());
    REQUIRE_FALSE(attempt.error);
    Stream there = server.accept();
    there.send("hello");
    CHECK(Stream(std::move(attempt.socket)).receive(5) == "hello");
}

TEST_CASE("a Unix socket whose queue is full is connected once there is room")
{
    asio::io_context io;
    Full full;
    REQUIRE_FALSE(full.waiting.empty());
    Timer timer(io, 20ms); // it has been tried again by then
    timer.async_wait([&](std::error_code) { full.server.accept(); });
    Fd connected;
    run(io, [&]() -> awaitable<void> {
        connected = co_await dial_unix(full.server.path(), Clock::now() + 10s);
    });
    CHECK(connected.is_open());
}

TEST_CASE("a Unix socket whose queue stays full is given up at the deadline")
{
    asio::io_context io;
    const Full full;
    const auto begin = Clock::now();
    const auto failure = failure_of(io, dial_unix(full.server.path(), begin + 50ms));
    CHECK(failure.code() == std::errc::timed_out);
    CHECK(Clock::now() - begin >= 50ms);
    CHECK(Clock::now() - begin < 5s);
}

TEST_CASE("what cannot be connected to fails at once, with what the system says")
{
    asio::io_context io;
    UnixServer server;
    const auto failure = [&io](const std::string& path) {
        return failure_of(io, dial_unix(path, Clock::now() + 10s)).code();
    };
    CHECK(failure(server.path() + "-not") == std::errc::no_such_file_or_directory);
    CHECK(failure("/" + std::string(107, 'n')) == std::errc::filename_too_long);
    server.stop_listening();
    CHECK(failure(server.path()) == std::errc::connection_refused);
    if (::geteuid() != 0) { // who may do anything
        ::chmod(server.path().c_str(), 0);
        CHECK(failure(server.path()) == std::errc::permission_denied);
    }
}
