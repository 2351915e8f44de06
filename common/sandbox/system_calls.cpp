#include "common/sandbox/system_calls.hpp"

#include <cerrno>
#include <cstdint>
#include <initializer_list>
#include <iterator>
#include <memory>
#include <span>

#include <fcntl.h>
#include <linux/netlink.h>
#include <linux/sockios.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

namespace tunnel {

namespace {

// Allowed whatever their arguments are: since Linux 5.11 the kernel keeps a bitmap of such calls
// and does not run the filter for them, so that they cost nothing to speak of (docs/sandbox.md).
// What is called for each piece or visitor must be here, therefore.
constexpr int allowed[]{
    // The relay, and asio's loop.
    SCMP_SYS(epoll_create1), SCMP_SYS(epoll_ctl), SCMP_SYS(epoll_wait), SCMP_SYS(epoll_pwait),
    SCMP_SYS(epoll_pwait2), SCMP_SYS(eventfd2), SCMP_SYS(timerfd_create), SCMP_SYS(timerfd_settime),
    SCMP_SYS(timerfd_gettime), SCMP_SYS(pipe2), SCMP_SYS(splice), SCMP_SYS(read), SCMP_SYS(write),
    SCMP_SYS(readv), SCMP_SYS(writev), SCMP_SYS(pread64), SCMP_SYS(close), SCMP_SYS(dup),
    SCMP_SYS(poll), SCMP_SYS(ppoll), SCMP_SYS(select), SCMP_SYS(pselect6),
    // Sockets.
    SCMP_SYS(accept4), SCMP_SYS(accept), SCMP_SYS(bind), SCMP_SYS(connect), SCMP_SYS(getpeername),
    SCMP_SYS(getsockname), SCMP_SYS(getsockopt), SCMP_SYS(listen), SCMP_SYS(recvfrom),
    SCMP_SYS(recvmsg), SCMP_SYS(recvmmsg), SCMP_SYS(sendto), SCMP_SYS(sendmsg), SCMP_SYS(sendmmsg),
    SCMP_SYS(setsockopt), SCMP_SYS(shutdown),
    // Memory; more of it below.
    SCMP_SYS(brk), SCMP_SYS(madvise), SCMP_SYS(mremap), SCMP_SYS(munmap),
    // Threads and their scheduling.
    SCMP_SYS(exit), SCMP_SYS(exit_group), SCMP_SYS(futex), SCMP_SYS(futex_waitv),
    SCMP_SYS(set_robust_list), SCMP_SYS(rseq), SCMP_SYS(membarrier), SCMP_SYS(set_tid_address),
    SCMP_SYS(sched_yield), SCMP_SYS(getrlimit), SCMP_SYS(setrlimit), SCMP_SYS(getcpu),
    // Signals.
    SCMP_SYS(restart_syscall), SCMP_SYS(rt_sigaction), SCMP_SYS(rt_sigprocmask),
    SCMP_SYS(rt_sigreturn), SCMP_SYS(sigaltstack),
    // Clocks that the vdso cannot answer, chance, and who we are.
    SCMP_SYS(clock_getres), SCMP_SYS(clock_gettime), SCMP_SYS(clock_nanosleep),
    SCMP_SYS(gettimeofday), SCMP_SYS(nanosleep), SCMP_SYS(time), SCMP_SYS(getrandom),
    SCMP_SYS(getpid), SCMP_SYS(gettid), SCMP_SYS(getuid), SCMP_SYS(geteuid), SCMP_SYS(getgid),
    SCMP_SYS(getegid), SCMP_SYS(getrusage), SCMP_SYS(sysinfo), SCMP_SYS(uname),
    // Files, to be read.
    SCMP_SYS(access), SCMP_SYS(faccessat), SCMP_SYS(faccessat2), SCMP_SYS(fstat), SCMP_SYS(fstatfs),
    SCMP_SYS(getcwd), SCMP_SYS(getdents64), SCMP_SYS(lseek), SCMP_SYS(lstat), SCMP_SYS(newfstatat),
    SCMP_SYS(readlink), SCMP_SYS(readlinkat), SCMP_SYS(stat), SCMP_SYS(statfs), SCMP_SYS(statx)};

// To be asked of a socket, or of the terminal that may be stderr.
constexpr unsigned requests[]{FIONBIO, FIONREAD, SIOCOUTQ, SIOCGIFINDEX, SIOCGIFNAME, TCGETS};

// Of a descriptor. Not F_SETOWN and F_SETSIG, by which the kernel sends a signal to another
// process.
constexpr unsigned descriptor_commands[]{F_DUPFD, F_DUPFD_CLOEXEC, F_GETFD,      F_SETFD,
                                         F_GETFL, F_SETPIPE_SZ,    F_GETPIPE_SZ, F_SETFL};

// What concerns a process, which is named by its first argument: 0 is this one.
constexpr int of_this_process[]{SCMP_SYS(prlimit64), SCMP_SYS(sched_getaffinity),
                                SCMP_SYS(sched_getattr), SCMP_SYS(sched_setattr)};

// What makes memory executable with PROT_EXEC as its third argument.
constexpr int of_memory[]{SCMP_SYS(mmap), SCMP_SYS(mprotect)};

// The type of a socket without SOCK_NONBLOCK and SOCK_CLOEXEC: linux/net.h, SOCK_TYPE_MASK.
constexpr std::uint32_t type_bits = 0xf;

// Of the helper processes: what both do.
constexpr int allowed_to_helpers[]{SCMP_SYS(read),
                                   SCMP_SYS(write),
                                   SCMP_SYS(close),
                                   SCMP_SYS(poll),
                                   SCMP_SYS(ppoll),
                                   SCMP_SYS(recvfrom),
                                   SCMP_SYS(recvmsg),
                                   SCMP_SYS(sendto),
                                   SCMP_SYS(sendmsg),
                                   SCMP_SYS(brk),
                                   SCMP_SYS(madvise),
                                   SCMP_SYS(mremap),
                                   SCMP_SYS(munmap),
                                   SCMP_SYS(futex),
                                   SCMP_SYS(exit),
                                   SCMP_SYS(exit_group),
                                   SCMP_SYS(restart_syscall),
                                   SCMP_SYS(rt_sigaction),
                                   SCMP_SYS(rt_sigprocmask),
                                   SCMP_SYS(rt_sigreturn),
                                   SCMP_SYS(clock_gettime),
                                   SCMP_SYS(clock_nanosleep),
                                   SCMP_SYS(nanosleep),
                                   SCMP_SYS(gettimeofday),
                                   SCMP_SYS(time),
                                   SCMP_SYS(getrandom),
                                   SCMP_SYS(getpid),
                                   SCMP_SYS(gettid),
                                   SCMP_SYS(sched_yield)};

// What reading files needs beside it.
constexpr int allowed_to_read[]{SCMP_SYS(pread64),   SCMP_SYS(readv),      SCMP_SYS(fstat),
                                SCMP_SYS(fstatfs),   SCMP_SYS(getcwd),     SCMP_SYS(getdents64),
                                SCMP_SYS(lseek),     SCMP_SYS(lstat),      SCMP_SYS(newfstatat),
                                SCMP_SYS(readlink),  SCMP_SYS(readlinkat), SCMP_SYS(stat),
                                SCMP_SYS(statfs),    SCMP_SYS(statx),      SCMP_SYS(access),
                                SCMP_SYS(faccessat), SCMP_SYS(faccessat2), SCMP_SYS(getuid),
                                SCMP_SYS(geteuid),   SCMP_SYS(getgid),     SCMP_SYS(getegid)};

constexpr unsigned process_options[]{PR_GET_DUMPABLE, PR_SET_NAME, PR_GET_NAME,
                                     PR_GET_NO_NEW_PRIVS};

// The answer to a forbidden call. Not the end of the process: what nobody foresaw, in a library
// or under another kernel, then fails as an operation without permission does, one visitor or one
// look-up at most, and visitors who are being served are not cut.
constexpr auto refused = SCMP_ACT_ERRNO(EPERM);

// All arguments that are looked at are of 32 bits, and the kernel ignores what stands above.
scmp_arg_cmp argument_is(unsigned number, std::uint32_t value, std::uint32_t of_bits = ~0u)
{
    return {number, SCMP_CMP_MASKED_EQ, of_bits, value};
}

// The first failure counts.
class Filter {
public:
    Filter() : context_(::seccomp_init(refused), ::seccomp_release)
    {
        if (!context_) {
            failure_ = ENOMEM;
            return;
        }
        set(SCMP_FLTATR_CTL_NNP, 0);      // it is set
        set(SCMP_FLTATR_CTL_TSYNC, 1);    // other threads too
        set(SCMP_FLTATR_CTL_OPTIMIZE, 2); // a binary tree instead of a list
        // Before Linux 5.16 a filter also turned speculation off, which slows down all the code of
        // the process; nothing foreign runs in here from which it would protect.
        set(SCMP_FLTATR_CTL_SSB, 1);
    }

    void allow(int call) { add(SCMP_ACT_ALLOW, call); }

    // Only if all of `compared` hold.
    void allow(int call, std::initializer_list<scmp_arg_cmp> compared)
    {
        if (failure_ == 0)
            note(::seccomp_rule_add_array(context_.get(), SCMP_ACT_ALLOW, call,
                                          static_cast<unsigned>(compared.size()),
                                          std::data(compared)));
    }

    void allow_all(std::span<const int> calls)
    {
        for (const int call : calls)
            allow(call);
    }

    void allow_data()
    {
        for (const int call : of_memory)
            allow(call, {argument_is(2, 0, PROT_EXEC)});
    }

    void allow_opening_to_read()
    {
        allow(SCMP_SYS(openat), {argument_is(2, O_RDONLY, O_ACCMODE | O_CREAT | O_TRUNC)});
    }

    // abort() signals its own thread.
    void allow_abort()
    {
        allow(SCMP_SYS(tgkill), {argument_is(0, static_cast<unsigned>(::getpid()))});
    }

    void pretend_missing(int call) { add(SCMP_ACT_ERRNO(ENOSYS), call); }

    std::error_code load()
    {
        if (failure_ == 0)
            note(::seccomp_load(context_.get()));
        return {failure_, std::system_category()};
    }

private:
    void set(scmp_filter_attr attribute, std::uint32_t value)
    {
        if (failure_ == 0)
            note(::seccomp_attr_set(context_.get(), attribute, value));
    }

    void add(std::uint32_t action, int call)
    {
        if (failure_ == 0)
            note(::seccomp_rule_add_array(context_.get(), action, call, 0, nullptr));
    }

    void note(int result)
    {
        if (result != 0)
            failure_ = -result;
    }

    std::unique_ptr<void, void (*)(scmp_filter_ctx)> context_;
    int failure_ = 0;
};

} // namespace

std::error_code restrict_system_calls(const SandboxNeeds& needs)
{
    Filter filter;
    filter.allow_all(allowed);
    filter.allow_data();
    filter.allow_opening_to_read();
    filter.allow_abort();
    for (const unsigned request : requests)
        filter.allow(SCMP_SYS(ioctl), {argument_is(1, request)});
    for (const unsigned command : descriptor_commands)
        filter.allow(SCMP_SYS(fcntl), {argument_is(1, command)});
    for (const int call : of_this_process)
        filter.allow(call, {argument_is(0, 0)});
    for (const unsigned family : {AF_INET, AF_INET6}) {
        for (const unsigned type : {SOCK_STREAM, SOCK_DGRAM})
            filter.allow(SCMP_SYS(socket),
                         {argument_is(0, family), argument_is(1, type, type_bits)});
    }
    // Name look-ups ask the kernel for addresses. They may not ask nscd or systemd-resolved over
    // AF_UNIX, since a filter cannot see whom a Unix socket is connected to.
    filter.allow(SCMP_SYS(socket), {argument_is(0, AF_NETLINK), argument_is(2, NETLINK_ROUTE)});
    for (const unsigned option : process_options)
        filter.allow(SCMP_SYS(prctl), {argument_is(0, option)});
    filter.allow(SCMP_SYS(prctl), {argument_is(0, PR_SET_DUMPABLE), argument_is(1, 0)});
    if (!needs.removed.empty() || !needs.replaced.empty()) {
        filter.allow(SCMP_SYS(unlink));
        filter.allow(SCMP_SYS(unlinkat));
    }
    if (!needs.replaced.empty()) {
        filter.allow(SCMP_SYS(openat), {argument_is(2, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW,
                                                    O_ACCMODE | O_CREAT | O_TRUNC | O_NOFOLLOW)});
        filter.allow(SCMP_SYS(fsync));
        filter.allow(SCMP_SYS(flock));
        for (const int call : {SCMP_SYS(rename), SCMP_SYS(renameat), SCMP_SYS(renameat2)})
            filter.allow(call);
    }
    // What is there already stays: it is neither cut off nor written over.
    if (!needs.appended.empty())
        filter.allow(SCMP_SYS(openat), {argument_is(2, O_WRONLY | O_CREAT | O_APPEND,
                                                    O_ACCMODE | O_CREAT | O_APPEND | O_TRUNC)});
    // Threads, and no processes. What clone3() is to make stands in memory, where a filter cannot
    // look; told that there is none, glibc takes clone().
    filter.allow(SCMP_SYS(clone), {argument_is(0, CLONE_THREAD, CLONE_THREAD)});
    filter.pretend_missing(SCMP_SYS(clone3));
    return filter.load();
}

std::error_code restrict_system_calls_to_reading()
{
    Filter filter;
    filter.allow_all(allowed_to_helpers);
    filter.allow_all(allowed_to_read);
    filter.allow_data();
    filter.allow_opening_to_read();
    filter.allow_abort();
    filter.allow(SCMP_SYS(fcntl), {argument_is(1, F_GETFL)});
    filter.allow(SCMP_SYS(fcntl), {argument_is(1, F_SETFD)});
    filter.allow(SCMP_SYS(sched_getaffinity), {argument_is(0, 0)});
    filter.allow(SCMP_SYS(prlimit64), {argument_is(0, 0)});
    return filter.load();
}

std::error_code restrict_system_calls_to_dialing()
{
    Filter filter;
    filter.allow_all(allowed_to_helpers);
    filter.allow_data();
    filter.allow_abort();
    filter.allow(SCMP_SYS(connect));
    filter.allow(SCMP_SYS(setsockopt)); // urgent bytes are kept from the first on
    filter.allow(SCMP_SYS(socket),
                 {argument_is(0, AF_UNIX), argument_is(1, SOCK_STREAM, type_bits)});
    return filter.load();
}

} // namespace tunnel
