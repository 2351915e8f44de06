#include "common/sandbox/helper_process.hpp"

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <exception>

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/error.hpp"
#include "common/sandbox/sandbox.hpp"

namespace tunnel {

namespace {

constexpr int first_handed_over = 3;

// What is read there is at its end, and what is written is lost: no file is needed for that.
void connect_standard_streams_to_nothing()
{
    std::array<int, 2> in{};
    std::array<int, 2> out{};
    if (::pipe(in.data()) != 0 || ::pipe(out.data()) != 0)
        std::_Exit(1);
    ::dup2(in[0], STDIN_FILENO);
    ::dup2(out[1], STDOUT_FILENO);
    ::dup2(out[1], STDERR_FILENO);
}

void close_from(int first)
{
    if (::close_range(static_cast<unsigned>(first), ~0U, 0) == 0)
        return;
    rlimit limit{}; // before Linux 5.9
    ::getrlimit(RLIMIT_NOFILE, &limit);
    for (int each = first; static_cast<rlim_t>(each) < limit.rlim_cur; ++each)
        ::close(each);
}

std::vector<int> keep_only(const std::vector<Fd>& handed_over)
{
    // Out of the way of the numbers that they are to get.
    const int above = first_handed_over + static_cast<int>(handed_over.size());
    std::vector<int> copies;
    for (const Fd& each : handed_over)
        copies.push_back(::fcntl(each.get(), F_DUPFD, above));
    connect_standard_streams_to_nothing();
    std::vector<int> kept;
    for (const int copy : copies) {
        const int number = first_handed_over + static_cast<int>(kept.size());
        if (copy < 0 || ::dup2(copy, number) != number)
            std::_Exit(1);
        kept.push_back(number);
    }
    close_from(above);
    return kept;
}

void end_with(pid_t parent)
{
    ::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    if (::getppid() != parent) // it has ended before
        std::_Exit(0);
}

} // namespace

void start_helper(const char* name, std::vector<Fd> handed_over,
                  const std::function<void(std::span<const int> descriptors)>& serve)
{
    const pid_t parent = ::getpid();
    const pid_t child = ::fork();
    if (child < 0)
        fail(last_error(), "cannot start a process");
    if (child > 0)
        return;
    end_with(parent);
    // Terminals and service managers send signals to both processes; who must be let go is decided
    // by the program, whose end is the helper's.
    for (const int each : {SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGPIPE})
        std::signal(each, SIG_IGN);
    ::prctl(PR_SET_NAME, name, 0, 0, 0);
    keep_memory_private();
    try {
        serve(keep_only(handed_over));
    } catch (const std::exception&) {
        std::_Exit(1);
    }
    std::_Exit(0);
}

HelperChannel make_helper_channel(int type)
{
    std::array<int, 2> ends{};
    if (::socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, ends.data()) != 0)
        fail(last_error(), "cannot make a socket pair");
    HelperChannel channel{Fd(ends[0]), Fd(ends[1])};
    ::fcntl(channel.ours.get(), F_SETFL, O_NONBLOCK);
    return channel;
}

bool write_whole(int descriptor, std::span<const char> bytes)
{
    while (!bytes.empty()) {
        const ssize_t size = ::send(descriptor, bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (size < 0 && errno != EINTR)
            return false;
        bytes = bytes.subspan(size < 0 ? 0 : static_cast<std::size_t>(size));
    }
    return true;
}

} // namespace tunnel
