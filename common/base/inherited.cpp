#include "common/base/inherited.hpp"

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <memory>

#include <dirent.h>
#include <fcntl.h>
#include <sys/time.h>
#include <unistd.h>

namespace tunnel {

namespace {

// Takes the lowest free descriptor. Without /dev, a socket of a closed pair stands in. Input is
// opened for writing and output for reading, so that both fail.
void occupy_lowest(int descriptor)
{
    const int mode = descriptor == STDIN_FILENO ? O_WRONLY : O_RDONLY;
    if (::open("/dev/null", mode) >= 0) // NOLINT: it stays, and nothing is executed
        return;
    std::array<int, 2> ends{};
    if (::pipe(ends.data()) != 0)
        std::_Exit(1);                // with standard descriptors closed there is nobody to tell
    if (descriptor == STDIN_FILENO) { // ends[0] is it: the end of the file at once
        ::close(ends[1]);
    } else { // nobody reads at the other end
        ::dup2(ends[1], descriptor);
        for (const int end : ends)
            if (end != descriptor)
                ::close(end);
    }
}

} // namespace

void occupy_standard_descriptors()
{
    for (const int descriptor : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
        if (::fcntl(descriptor, F_GETFD) == -1 && errno == EBADF)
            occupy_lowest(descriptor);
    }
}

void reset_inherited_signals()
{
    sigset_t none;
    ::sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    // A write to a peer that is gone, to a file at its limit, and of a background job to a
    // terminal.
    for (const int signal : {SIGPIPE, SIGXFSZ, SIGTTOU})
        std::signal(signal, SIG_IGN);
    constexpr itimerval never{};
    for (const auto timer : {ITIMER_REAL, ITIMER_VIRTUAL, ITIMER_PROF})
        ::setitimer(timer, &never, nullptr);
}

std::size_t inherited_descriptors()
{
    const std::unique_ptr<DIR, int (*)(DIR*)> all(::opendir("/proc/self/fd"), ::closedir);
    if (!all)
        return 0;
    std::size_t count = 0;
    while (const dirent* const entry = ::readdir(all.get())) {
        const int descriptor = std::atoi(entry->d_name); // 0 for "." and ".."
        if (descriptor > STDERR_FILENO && descriptor != ::dirfd(all.get()))
            ++count;
    }
    return count;
}

} // namespace tunnel
