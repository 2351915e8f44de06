// Each case forks, because a sandbox cannot be left.
#include <doctest/doctest.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <fstream>
#include <functional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>

#include <cap-ng.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <linux/netlink.h>
#include <netdb.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/fd.hpp"
#include "common/sandbox/sandbox.hpp"
#include "common/security/secret.hpp"
#include "common/transport/unix_dial.hpp"
#include "tests/support/unix_server.hpp"

using namespace tunnel;
using tunnel::test::UnixServer;

namespace {

// What `action` answered in a process of its own, as its exit code.
int in_a_child(const std::function<int()>& action)
{
    const pid_t child = ::fork();
    if (child == 0)
        std::_Exit(action());
    int status = 0;
    ::waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

// The same inside the sandbox.
int inside(const std::function<int()>& action, const SandboxNeeds& needs = {})
{
    return in_a_child([&] {
        enter_sandbox(Sandbox::on, needs);
        return action();
    });
}

// 0, or the errno of a system call that answers -1 for a failure.
int failure(long result)
{
    return result == -1 ? errno : 0;
}

int open_to_read(const std::filesystem::path& path)
{
    return failure(Fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC)).release());
}

bool has_landlock()
{
    return ::syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION) > 0;
}

bool has_seccomp()
{
    return ::prctl(PR_GET_SECCOMP) != -1 || errno != EINVAL;
}

bool cannot(const char* part, bool has)
{
    if (!sandbox_is_built())
        MESSAGE("skipped: this build has no sandbox");
    else if (!has)
        MESSAGE("skipped: this kernel has no " << part);
    return !sandbox_is_built() || !has;
}

struct Folder {
    Folder()
    {
        std::string name = (std::filesystem::temp_directory_path() / "sandbox-XXXXXX").string();
        if (::mkdtemp(name.data()) == nullptr)
            throw std::system_error(errno, std::system_category(), "mkdtemp");
        path = name;
    }

    Folder(const Folder&) = delete;
    Folder& operator=(const Folder&) = delete;

    ~Folder() { std::filesystem::remove_all(path); }

    std::filesystem::path file(const char* name) const
    {
        std::ofstream(path / name) << "a secret";
        return path / name;
    }

    std::filesystem::path path;
};

} // namespace

TEST_CASE("no program is run inside the sandbox")
{
    if (cannot("seccomp", has_seccomp()))
        return;
    CHECK(inside([] { return failure(::execl("/bin/true", "true", nullptr)); }) == EPERM);
    CHECK(inside([] {
              return failure(::syscall(SYS_execveat, AT_FDCWD, "/bin/true", nullptr, nullptr, 0));
          }) == EPERM);
}

TEST_CASE("no process is made inside the sandbox, and no other one traced")
{
    if (cannot("seccomp", has_seccomp()))
        return;
    CHECK(inside([] {
              const pid_t child = ::fork();
              if (child == 0)
                  ::_exit(0);
              return failure(child);
          }) == EPERM);
    CHECK(inside([] { return failure(::ptrace(PTRACE_ATTACH, ::getppid(), 0, 0)); }) == EPERM);
    CHECK(inside([] { return failure(::kill(::getppid(), 0)); }) == EPERM);
}

TEST_CASE("a thread can be started inside the sandbox, and is inside too")
{
    if (cannot("seccomp", has_seccomp()))
        return;
    CHECK(inside([] {
              int result = -1;
              std::thread([&result] {
                  result = failure(::execl("/bin/true", "true", nullptr));
              }).join();
              return result;
          }) == EPERM);
}

TEST_CASE("no Unix socket can be had inside the sandbox, so none can be connected to")
{
    if (cannot("seccomp", has_seccomp()))
        return;
    UnixServer server;
    CHECK(inside([&server] { return try_unix(server.path()).error.value(); }) == EPERM);
    CHECK(inside([] { return failure(::socket(AF_UNIX, SOCK_DGRAM, 0)); }) == EPERM);
    CHECK(inside([] {
              std::array<int, 2> ends{};
              return failure(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends.data()));
          }) == EPERM);
}

TEST_CASE("nothing can be done to other processes inside the sandbox")
{
    if (cannot("seccomp", has_seccomp()))
        return;
    const pid_t other = ::getppid();
    CHECK(inside([=] {
              const rlimit few{64, 64};
              return failure(::prlimit(other, RLIMIT_NOFILE, &few, nullptr));
          }) == EPERM);
    CHECK(inside([=] { return failure(::prlimit(other, RLIMIT_NOFILE, nullptr, nullptr)); }) ==
          EPERM);
    CHECK(inside([=] { return failure(::setpriority(PRIO_PROCESS, other, 19)); }) == EPERM);
    for (const long call : {SYS_sched_setattr, SYS_sched_setaffinity, SYS_sched_setscheduler,
                            SYS_pidfd_open, SYS_ioprio_set, SYS_process_vm_readv, SYS_kcmp})
        CHECK(inside([=] { return failure(::syscall(call, other, 0, 0, 0, 0, 0)); }) == EPERM);
    // By which the kernel would send a signal of any kind to another process.
    CHECK(inside([=] { return failure(::fcntl(STDIN_FILENO, F_SETOWN, other)); }) == EPERM);
    CHECK(inside([] { return failure(::fcntl(STDIN_FILENO, F_SETSIG, SIGKILL)); }) == EPERM);
    // Its own limits it may lower.
    CHECK(inside([] {
              const rlimit none{0, 0};
              return failure(::prlimit(0, RLIMIT_CORE, &none, nullptr));
          }) == 0);
}

TEST_CASE("what opens the kernel wider is refused inside the sandbox")
{
    if (cannot("seccomp", has_seccomp()))
        return;
    for (const long call : {SYS_io_uring_setup,
                            SYS_bpf,
                            SYS_userfaultfd,
                            SYS_kexec_load,
                            SYS_perf_event_open,
                            SYS_process_vm_writev,
                            SYS_pidfd_getfd,
                            SYS_keyctl,
                            SYS_add_key,
                            SYS_mount,
                            SYS_unshare,
                            SYS_setns,
                            SYS_init_module,
                            SYS_finit_module,
                            SYS_open_by_handle_at,
                            SYS_chroot,
                            SYS_pivot_root,
                            SYS_personality,
                            SYS_setuid,
                            SYS_setgid,
                            SYS_setgroups,
                            SYS_capset,
                            SYS_quotactl,
                            SYS_reboot,
                            SYS_swapon,
                            SYS_acct,
                            SYS_mknod,
                            SYS_link,
                            SYS_symlink,
                            SYS_chmod,
                            SYS_chown,
                            SYS_truncate,
                            SYS_utimensat,
                            SYS_setxattr,
                            SYS_shmget,
                            SYS_mq_open,
                            SYS_timer_create,
                            SYS_fanotify_init,
                            SYS_inotify_init1,
                            SYS_syslog,
                            SYS_vhangup})
        CHECK(inside([=] { return failure(::syscall(call, 0, 0, 0, 0, 0, 0)); }) == EPERM);
}

TEST_CASE("no memory becomes executable inside the sandbox")
{
    if (cannot("seccomp", has_seccomp()))
        return;
    const auto map = [](int protection) {
        return ::mmap(nullptr, 4096, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    };
    const auto maps = [&map](int protection) {
        return inside([&] { return map(protection) == MAP_FAILED ? errno : 0; });
    };
    CHECK(maps(PROT_READ | PROT_WRITE) == 0);
    CHECK(maps(PROT_READ | PROT_EXEC) == EPERM);
    CHECK(maps(PROT_READ | PROT_WRITE | PROT_EXEC) == EPERM);
    CHECK(inside([&] {
              return failure(::mprotect(map(PROT_READ), 4096, PROT_READ | PROT_EXEC));
          }) == EPERM);
    CHECK(inside([&] {
              return failure(::syscall(SYS_pkey_mprotect, map(PROT_READ), 4096, PROT_EXEC, -1));
          }) == EPERM);
    CHECK(inside([] { return failure(::syscall(SYS_memfd_create, "code", 0)); }) == EPERM);
    CHECK(inside([] { return ::dlopen("libz.so.1", RTLD_NOW) == nullptr ? 0 : 1; }) == 0);
}

TEST_CASE("a file can be removed inside the sandbox only in the folder of the one that is to be")
{
    if (cannot("landlock", has_landlock()) || cannot("seccomp", has_seccomp()))
        return;
    const Folder folder;
    const Folder other;
    const auto meant = folder.file("meant");
    const auto elsewhere = other.file("elsewhere");
    const auto removes = [](const std::filesystem::path& path, const SandboxNeeds& needs) {
        return inside([&path] { return failure(::unlink(path.c_str())); }, needs);
    };
    CHECK(removes(meant, {}) == EPERM);
    CHECK(removes(elsewhere, {meant}) == EACCES);
    CHECK(removes(meant, {meant}) == 0);
    CHECK_FALSE(std::filesystem::exists(meant));
    CHECK(inside([&meant] { return failure(::mkdir(meant.c_str(), 0700)); }, {meant}) != 0);
}

TEST_CASE("inside the sandbox a log file can be appended to and made anew, and nothing be cut off")
{
    if (cannot("landlock", has_landlock()) || cannot("seccomp", has_seccomp()))
        return;
    const Folder folder;
    const Folder other;
    const auto log = folder.file("log");
    const auto elsewhere = other.file("elsewhere");
    const SandboxNeeds needs{.appended = log};
    const auto opens = [&needs](const std::filesystem::path& path, int flags) {
        return inside([&] { return failure(Fd(::open(path.c_str(), flags, 0600)).release()); },
                      needs);
    };
    constexpr int append = O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NONBLOCK;
    CHECK(opens(log, append) == 0);
    CHECK(opens(folder.path / "new", append) == 0);
    CHECK(std::filesystem::exists(folder.path / "new"));
    CHECK(opens(elsewhere, append) == EACCES);
    CHECK(opens(log, append | O_TRUNC) == EPERM);
    CHECK(opens(log, O_WRONLY | O_CLOEXEC) == EPERM);
    CHECK(opens(log, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC) == EPERM);
    CHECK(inside([&log] { return failure(::unlink(log.c_str())); }, needs) != 0);
    CHECK(inside([&log] { return failure(::truncate(log.c_str(), 0)); }, needs) != 0);
}

TEST_CASE("no file can be written or made inside the sandbox")
{
    const Folder folder;
    const auto there = folder.file("there");
    const SandboxNeeds needs{.low_ports = true, .system_authorities = true};
    const auto refused = [&needs](const std::filesystem::path& path, int flags) {
        const int error =
            inside([&] { return failure(Fd(::open(path.c_str(), flags, 0600)).release()); }, needs);
        return error == EPERM || error == EACCES;
    };
    if (cannot("landlock or seccomp", has_landlock() || has_seccomp()))
        return;
    CHECK(refused(there, O_WRONLY | O_CLOEXEC));
    CHECK(refused(there, O_RDWR | O_CLOEXEC));
    CHECK(refused(there, O_RDONLY | O_TRUNC | O_CLOEXEC));
    CHECK(refused(folder.path / "new", O_RDONLY | O_CREAT | O_CLOEXEC));
    CHECK(refused(folder.path, O_WRONLY | O_TMPFILE | O_CLOEXEC));
    CHECK(inside([&] { return failure(::unlink(there.c_str())); }, needs) != 0);
    CHECK(inside([&] { return failure(::mkdir((folder.path / "new").c_str(), 0700)); }, needs) !=
          0);
}

TEST_CASE("only what is needed can be read inside the sandbox")
{
    if (cannot("landlock", has_landlock()))
        return;
    const Folder folder;
    const auto file = folder.file("other");
    CHECK(inside([] { return open_to_read("/etc/shadow"); }) == EACCES);
    CHECK(inside([] { return open_to_read("/proc/1/maps"); }) == EACCES);
    CHECK(inside([&] { return open_to_read(file); }) == EACCES);
    CHECK(inside([] { return open_to_read("/etc/hosts"); }) == 0);
    for (const char* const path :
         {"/etc/ssl/openssl.cnf", "/etc/ssl/certs", "/usr/lib", "/proc/self/maps"})
        CHECK(inside([=] { return open_to_read(path); }) ==
              (::geteuid() == 0 || path[1] != 'e' ? EACCES : 0));
    CHECK(inside([] { return open_to_read("/etc/ssl/certs"); }, {.system_authorities = true}) == 0);
    CHECK(inside([] { return open_to_read("/etc/ssl/private"); }, {.system_authorities = true}) !=
          0);
}

TEST_CASE("a folder that is to be readable is, step by step from a descriptor of it")
{
    if (cannot("landlock", has_landlock()) || cannot("seccomp", has_seccomp()))
        return;
    const Folder folder;
    const Folder other;
    const auto elsewhere = other.file("elsewhere");
    std::filesystem::create_directory(folder.path / "below");
    const auto file = folder.file("below/file");
    const Fd root(::open(folder.path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    const auto read_below = [&root] {
        const Fd below(
            ::openat(root.get(), "below", O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
        const Fd opened(::openat(below.get(), "file",
                                 O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
        return failure(opened.get());
    };
    const SandboxNeeds needs{.readable = folder.path};
    CHECK(inside(read_below, needs) == 0);
    CHECK(inside(read_below) == EACCES);
    CHECK(inside([&] { return open_to_read(elsewhere); }, needs) == EACCES);
    CHECK(inside([&] { return failure(::unlink(file.c_str())); }, needs) == EPERM);
}

TEST_CASE("no capability is left inside the sandbox, and none can be gained")
{
    if (cannot("no_new_privs", true))
        return;
    CHECK(inside([] {
              ::capng_get_caps_process();
              return static_cast<int>(::capng_have_capabilities(CAPNG_SELECT_CAPS));
          }) == CAPNG_NONE);
    CHECK(inside([] { return ::prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0); }) == 1);
}

TEST_CASE("sockets of other kinds than the proxies use cannot be had inside the sandbox")
{
    if (cannot("seccomp", has_seccomp()))
        return;
    for (const int family : {AF_PACKET, AF_ALG, AF_VSOCK, AF_INET, AF_INET6})
        CHECK(inside([=] { return failure(::socket(family, SOCK_RAW, 0)); }) == EPERM);
    CHECK(inside([=] { return failure(::socket(AF_NETLINK, SOCK_RAW, NETLINK_AUDIT)); }) == EPERM);
    for (const int family : {AF_INET, AF_INET6})
        CHECK(inside([=] { return failure(::socket(family, SOCK_STREAM, 0)); }) == 0);
}

TEST_CASE("names are looked up inside the sandbox")
{
    CHECK(inside([] {
              addrinfo* found = nullptr;
              const int result = ::getaddrinfo("localhost", "80", nullptr, &found);
              if (result == 0)
                  ::freeaddrinfo(found);
              return result == 0 ? 0 : 1;
          }) == 0);
}

TEST_CASE("abort ends the process inside the sandbox as it does outside")
{
    CHECK(inside([]() -> int {
              std::signal(SIGABRT, SIG_DFL); // doctest has its own
              keep_memory_private();         // no core file
              std::abort();
          }) == -SIGABRT);
}

TEST_CASE("with the sandbox off everything stays allowed")
{
    CHECK(in_a_child([] {
              enter_sandbox(Sandbox::off);
              if (::prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 0)
                  return 1;
              return failure(::execl("/bin/true", "true", nullptr));
          }) == 0);
}

TEST_CASE("a sandbox that is required and not built is an error")
{
    if (sandbox_is_built())
        return;
    CHECK_THROWS_AS(enter_sandbox(Sandbox::required), std::runtime_error);
}

TEST_CASE("a sandbox that is required and can be had is entered")
{
    if (cannot("landlock or seccomp", has_landlock() && has_seccomp()))
        return;
    CHECK(in_a_child([] {
              enter_sandbox(Sandbox::required);
              return failure(::execl("/bin/true", "true", nullptr));
          }) == EPERM);
}

TEST_CASE("a part that the kernel lacks keeps a program from starting only if it is required")
{
    if (cannot("seccomp", has_seccomp()))
        return;
    const auto without_landlock = [](Sandbox sandbox) {
        return in_a_child([=] {
            const scmp_filter_ctx filter = ::seccomp_init(SCMP_ACT_ALLOW);
            ::seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(landlock_create_ruleset),
                               0);
            if (::seccomp_load(filter) != 0)
                return 3;
            try {
                enter_sandbox(sandbox);
            } catch (const std::runtime_error& error) {
                return std::string_view(error.what()).find("landlock") != std::string::npos ? 1 : 2;
            }
            return failure(::execl("/bin/true", "true", nullptr)) == EPERM ? 0 : 4;
        });
    };
    CHECK(without_landlock(Sandbox::on) == 0);
    CHECK(without_landlock(Sandbox::required) == 1);
}

TEST_CASE("a process that holds a secret keeps its memory private, also if it got it inside")
{
    const auto is_private = [] {
        parse_secret(generate_secret(), "here");
        rlimit core{};
        ::getrlimit(RLIMIT_CORE, &core);
        return ::prctl(PR_GET_DUMPABLE) + (core.rlim_cur != 0 || core.rlim_max != 0 ? 2 : 0);
    };
    CHECK(in_a_child(is_private) == 0);
    CHECK(inside(is_private) == 0);
    CHECK(inside([] {
              keep_memory_private();
              return failure(::prctl(PR_SET_DUMPABLE, 1, 0, 0, 0));
          }) == (cannot("seccomp", has_seccomp()) ? 0 : EPERM));
}

TEST_CASE("the file reader's sandbox lets files be read and nothing else be done")
{
    if (cannot("landlock and seccomp", has_landlock() && has_seccomp()))
        return;
    const Folder folder;
    const auto file = folder.file("one");
    const auto in_reader = [](const std::function<int()>& action) {
        return in_a_child([&action] {
            enter_file_reader_sandbox(Sandbox::on);
            return action();
        });
    };
    CHECK(in_reader([&] { return open_to_read(file); }) == 0);
    CHECK(in_reader([&] { return open_to_read(folder.path); }) == 0);
    CHECK(in_reader([&] { return failure(::open(file.c_str(), O_WRONLY)); }) == EPERM);
    CHECK(in_reader([&] { return failure(::unlink(file.c_str())); }) == EPERM);
    CHECK(in_reader([] { return failure(::execl("/bin/true", "true", nullptr)); }) == EPERM);
    CHECK(in_reader([] { return failure(::fork()); }) == EPERM);
    CHECK(in_reader([] { return failure(::kill(::getppid(), 0)); }) == EPERM);
    for (const int family : {AF_INET, AF_INET6, AF_UNIX, AF_NETLINK})
        CHECK(in_reader([=] { return failure(::socket(family, SOCK_STREAM, 0)); }) == EPERM);
}

TEST_CASE("the Unix dialer's sandbox lets Unix sockets be connected to and nothing else be done")
{
    if (cannot("landlock and seccomp", has_landlock() && has_seccomp()))
        return;
    UnixServer server;
    const auto in_dialer = [](const std::function<int()>& action) {
        return in_a_child([&action] {
            enter_unix_dialer_sandbox(Sandbox::on);
            return action();
        });
    };
    CHECK(in_dialer([&] { return try_unix(server.path()).error.value(); }) == 0);
    CHECK(in_dialer([] { return open_to_read("/etc/hosts"); }) == EPERM);
    CHECK(in_dialer([] { return failure(::execl("/bin/true", "true", nullptr)); }) == EPERM);
    CHECK(in_dialer([] { return failure(::kill(::getppid(), 0)); }) == EPERM);
    for (const int family : {AF_INET, AF_INET6, AF_NETLINK})
        CHECK(in_dialer([=] { return failure(::socket(family, SOCK_STREAM, 0)); }) == EPERM);
}

TEST_CASE("a process that keeps its memory private is not dumpable and writes no core file")
{
    CHECK(in_a_child([] {
              keep_memory_private();
              rlimit core{};
              ::getrlimit(RLIMIT_CORE, &core);
              return ::prctl(PR_GET_DUMPABLE) + (core.rlim_cur != 0 || core.rlim_max != 0 ? 2 : 0);
          }) == 0);
    if (cannot("seccomp", has_seccomp()))
        return;
    CHECK(inside([] {
              keep_memory_private();
              return ::prctl(PR_GET_DUMPABLE);
          }) == 0);
}
