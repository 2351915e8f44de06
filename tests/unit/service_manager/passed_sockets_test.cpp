#include "common/service_manager/passed_sockets.hpp"

#include <cstdlib>
#include <string>
#include <vector>

#include <doctest/doctest.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/wrong_configuration.hpp"
#include "tests/unit/service_manager/notified.hpp"

using namespace tunnel;
using namespace tunnel::test;

namespace {

Fd tcp_socket(bool listens)
{
    Fd socket(::socket(AF_INET, SOCK_STREAM, 0));
    if (listens)
        ::listen(socket.get(), 1); // at a port that the kernel chooses
    return socket;
}

// Runs `check` in a process that has the sockets as its descriptors from 3 up, and answers whether
// it returned true.
template <class Check>
bool holds_with(const std::vector<int>& sockets, const Check& check)
{
    const pid_t child = ::fork();
    if (child == 0) {
        std::vector<int> copies;
        for (const int each : sockets)
            copies.push_back(::fcntl(each, F_DUPFD, 100));
        int number = 3;
        for (const int each : copies)
            ::dup2(each, number++);
        ::setenv("LISTEN_PID", std::to_string(::getpid()).c_str(), 1);
        ::setenv("LISTEN_FDS", std::to_string(sockets.size()).c_str(), 1);
        std::_Exit(check() ? 0 : 1);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

std::string complaint()
{
    try {
        GivenSockets given;
        const PassedSockets passed(given);
        passed.must_be_taken();
        return {};
    } catch (const WrongConfiguration& error) {
        return error.what();
    }
}

bool complains_of(std::string_view what)
{
    return complaint().find(what) != std::string::npos;
}

tcp::endpoint endpoint_of(const Fd& socket)
{
    tcp::endpoint endpoint;
    auto size = static_cast<socklen_t>(endpoint.capacity());
    ::getsockname(socket.get(), endpoint.data(), &size);
    endpoint.resize(size);
    return endpoint;
}

bool listens(int socket)
{
    int value = 0;
    socklen_t size = sizeof value;
    return ::getsockopt(socket, SOL_SOCKET, SO_ACCEPTCONN, &value, &size) == 0 && value == 1;
}

} // namespace

TEST_CASE("sockets of the service manager are given to whoever wants their addresses, once")
{
    const Fd one = tcp_socket(true);
    const Fd other = tcp_socket(true);
    CHECK(holds_with({one.get(), other.get()}, [&] {
        ::setenv("LISTEN_FDNAMES", "control:web", 1);
        GivenSockets given;
        const PassedSockets passed(given);
        GivenSockets none;
        const PassedSockets again(none);
        const auto taken = given.take(endpoint_of(other));
        return given.size() == 1 && none.size() == 0 && taken && taken->get() == 4 &&
               ::fcntl(3, F_GETFD) == FD_CLOEXEC && (::fcntl(4, F_GETFL) & O_NONBLOCK) != 0 &&
               std::getenv("LISTEN_FDS") == nullptr && std::getenv("LISTEN_PID") == nullptr &&
               std::getenv("LISTEN_FDNAMES") == nullptr;
    }));
}

TEST_CASE("at the end of the program they listen again for the next start")
{
    const Fd socket = tcp_socket(true);
    CHECK(holds_with({socket.get()}, [&] {
        GivenSockets given;
        const PassedSockets passed(given);
        const auto taken = given.take(endpoint_of(socket));
        ::shutdown(taken->get(), SHUT_RDWR);
        return !listens(taken->get());
    }));
    CHECK(listens(socket.get()));
    CHECK(holds_with({socket.get()}, [&] { // unless another process has them
        GivenSockets given;
        PassedSockets passed(given);
        const auto taken = given.take(endpoint_of(socket));
        ::shutdown(taken->get(), SHUT_RDWR);
        passed.forget();
        return true;
    }));
    CHECK_FALSE(listens(socket.get()));
    CHECK(holds_with({socket.get()}, [&] { // and one that does not is taken all the same
        GivenSockets given;
        const PassedSockets passed(given);
        return given.size() == 1 && listens(3);
    }));
}

TEST_CASE("a socket that no option wants is refused with its address")
{
    const Fd socket = tcp_socket(true);
    const std::string port = std::to_string(endpoint_of(socket).port());
    CHECK(holds_with({socket.get()},
                     [&] { return complains_of(":" + port + ", which no option names"); }));
}

TEST_CASE("sockets for another process are left alone")
{
    ServiceEnvironment environment;
    environment.set("LISTEN_FDS", "1");
    CHECK(complaint().empty());
    environment.set("LISTEN_FDS", "1");
    environment.set("LISTEN_PID", "1");
    CHECK(complaint().empty());
}

TEST_CASE("what is no stream socket that listens is refused in words")
{
    const auto is_refused = [] {
        return complains_of("descriptor 3 (no name) is no stream socket that listens");
    };
    const Fd datagrams(::socket(AF_INET, SOCK_DGRAM, 0));
    CHECK(holds_with({datagrams.get()}, is_refused));
    const Fd file(::open("/dev/null", O_RDONLY));
    CHECK(holds_with({file.get()}, is_refused));
    const Fd listening = tcp_socket(true);
    const Fd connected = tcp_socket(false); // as Accept=yes hands them over
    const tcp::endpoint where = endpoint_of(listening);
    REQUIRE(::connect(connected.get(), where.data(), static_cast<socklen_t>(where.size())) == 0);
    CHECK(holds_with({connected.get()}, is_refused));
}

TEST_CASE("a number of sockets that is none is refused in words")
{
    for (const char* const number : {"x", "-1", "99999"}) {
        ServiceEnvironment environment;
        environment.set("LISTEN_PID", std::to_string(::getpid()));
        environment.set("LISTEN_FDS", number);
        CHECK(complains_of("is no number of sockets"));
    }
}
