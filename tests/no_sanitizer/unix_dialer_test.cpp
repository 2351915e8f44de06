// The process that connects to Unix sockets: each case starts one, which ends with its UnixDialer.
#include <doctest/doctest.h>

#include <optional>
#include <string>
#include <vector>

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/transport/unix_dial.hpp"
#include "common/transport/unix_dialer.hpp"
#include "tests/support/unix_server.hpp"

using namespace std::chrono_literals;
using namespace tunnel;
using tunnel::test::UnixServer;

namespace {

UnixAttempt attempt_of(asio::io_context& io, UnixDialer& dialer, const std::string& path)
{
    std::optional<UnixAttempt> result;
    asio::co_spawn(io, dialer.connect(path),
                   [&](const std::exception_ptr& failure, UnixAttempt value) {
                       if (!failure)
                           result.emplace(std::move(value));
                   });
    const auto limit = Clock::now() + 20s;
    io.restart();
    while (!result && io.run_one_until(limit) > 0)
        ;
    if (!result)
        throw std::runtime_error("the attempt did not end in time");
    return std::move(*result);
}

} // namespace

TEST_CASE("the Unix dialer connects to the paths that it was told, and to no other")
{
    UnixServer served;
    UnixServer other;
    asio::io_context io(1);
    UnixDialer dialer(io, Sandbox::on, {}, {served.path()});
    const UnixAttempt attempt = attempt_of(io, dialer, served.path());
    REQUIRE_FALSE(attempt.error);
    CHECK(served.pending_within(10s));
    CHECK((::fcntl(attempt.socket.get(), F_GETFD) & FD_CLOEXEC) != 0);
    CHECK((::fcntl(attempt.socket.get(), F_GETFL) & O_NONBLOCK) != 0);
    for (const std::string& path :
         {other.path(), served.path() + "/../" + other.path(), "/" + served.path(), std::string()})
        CHECK(attempt_of(io, dialer, path).error == std::errc::permission_denied);
    CHECK_FALSE(other.pending_within(0ms));
    CHECK(attempt_of(io, dialer, std::string(200, 'x')).error == std::errc::filename_too_long);
}

TEST_CASE("the Unix dialer hears other paths from the file reader, before what is asked after that")
{
    UnixServer first;
    UnixServer second;
    asio::io_context io(1);
    UnixDialer dialer(io, Sandbox::on, {}, {first.path()});
    const Fd control = dialer.take_control();
    tell_paths(control.get(), {second.path(), "/nowhere/at-all"});
    CHECK_FALSE(attempt_of(io, dialer, first.path()).error); // a reload may fail after this
    CHECK_FALSE(attempt_of(io, dialer, second.path()).error);
    CHECK(attempt_of(io, dialer, "/nowhere/at-all").error == std::errc::no_such_file_or_directory);
    tell_paths(control.get(), {});
    CHECK_FALSE(attempt_of(io, dialer, second.path()).error);
    CHECK(attempt_of(io, dialer, "/nowhere/else").error == std::errc::permission_denied);
}

TEST_CASE("a server that does not listen, and one whose queue is full, are told as such")
{
    UnixServer gone;
    UnixServer full(0);
    gone.stop_listening();
    asio::io_context io(1);
    UnixDialer dialer(io, Sandbox::on, {}, {gone.path(), full.path()});
    CHECK(attempt_of(io, dialer, gone.path()).error == std::errc::connection_refused);
    std::vector<UnixAttempt> waiting;
    do
        waiting.push_back(attempt_of(io, dialer, full.path()));
    while (!waiting.back().error && waiting.size() < 10);
    CHECK(waiting.back().error == std::errc::resource_unavailable_try_again);
}

TEST_CASE("many attempts at once are each answered with a socket of their own")
{
    UnixServer server;
    asio::io_context io(1);
    UnixDialer dialer(io, Sandbox::on, {}, {server.path()});
    constexpr std::size_t count = 200;
    std::vector<UnixAttempt> attempts;
    for (std::size_t i = 0; i < count; ++i)
        asio::co_spawn(io, dialer.connect(server.path()),
                       [&](const std::exception_ptr& failure, UnixAttempt value) {
                           CHECK_FALSE(failure);
                           attempts.push_back(std::move(value));
                       });
    const auto limit = Clock::now() + 20s;
    while (attempts.size() < count && io.run_one_until(limit) > 0)
        ;
    REQUIRE(attempts.size() == count);
    for (const UnixAttempt& each : attempts)
        CHECK_FALSE(each.error);
}

TEST_CASE("dialling a Unix socket goes through the dialer that is in use, and only that long")
{
    UnixServer served;
    UnixServer other;
    asio::io_context io(1);
    const auto dials = [&io](const std::string& path) {
        std::optional<bool> connected;
        asio::co_spawn(io, dial_unix(path, Clock::now() + 10s),
                       [&](const std::exception_ptr& failure, const Fd&) { connected = !failure; });
        io.restart();
        while (!connected && io.run_one_for(20s) > 0)
            ;
        return connected.value();
    };
    {
        UnixDialer dialer(io, Sandbox::on, {}, {served.path()});
        dial_unix_through(&dialer);
        CHECK(dials(served.path()));
        CHECK_FALSE(dials(other.path()));
    }
    CHECK(unix_dialer_in_use() == nullptr);
    CHECK(dials(other.path()));
}
