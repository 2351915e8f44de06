// Each case forks, because a sandbox cannot be left.
#include <doctest/doctest.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <fstream>
#include <functional>
#include <string>
#include <system_error>
#include <thread>

#include <cap-ng.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <netdb.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/net/fd.hpp"
#include "common/net/unix_dial.hpp"
#include "common/sandbox.hpp"
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

TEST_CASE("a Unix socket at a path can be connected to inside the sandbox")
{
    UnixServer server;
    CHECK(inside([&server] { return try_unix(server.path()).error.value(); }) == 0);
    CHECK(server.pending_within(std::chrono::seconds(10)));
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
    CHECK(removes(elsewhere, {{}, meant}) == EACCES);
    CHECK(removes(meant, {{}, meant}) == 0);
    CHECK_FALSE(std::filesystem::exists(meant));
    CHECK(inside([&meant] { return failure(::mkdir(meant.c_str(), 0700)); }, {{}, meant}) != 0);
}

TEST_CASE("no file can be written or made inside the sandbox")
{
    const Folder folder;
    const auto there = folder.file("there");
    const SandboxNeeds needs{{there}};
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
    CHECK(inside([&] { return open_to_read(file); }, {{file}}) == 0);
    CHECK(inside([&] { return open_to_read(file); }, {{folder.path}}) == 0);
}

TEST_CASE("a file that was replaced by another can be read inside the sandbox, also behind a link")
{
    if (cannot("landlock", has_landlock()))
        return;
    const Folder folder;
    const Folder links;
    const auto file = folder.file("secret");
    const auto link = links.path / "link";
    std::filesystem::create_symlink(file, link);
    std::array<int, 2> replaced{};
    REQUIRE(::pipe(replaced.data()) == 0);
    const pid_t child = ::fork();
    if (child == 0) {
        enter_sandbox(Sandbox::on, {{link}});
        char c = 0;
        const bool told = ::read(replaced[0], &c, 1) == 1;
        std::_Exit(told ? open_to_read(link) : -1);
    }
    const auto next = folder.file("next");
    std::filesystem::create_symlink(next, links.path / "new link");
    std::filesystem::remove(file);
    std::filesystem::rename(links.path / "new link", link);
    CHECK(::write(replaced[1], "x", 1) == 1);
    int status = 0;
    ::waitpid(child, &status, 0);
    CHECK(WEXITSTATUS(status) == 0);
    ::close(replaced[0]);
    ::close(replaced[1]);
}

TEST_CASE("a file of /etc that is read again does not make the others readable to root")
{
    if (cannot("landlock", has_landlock()))
        return;
    CHECK(inside([] { return open_to_read("/etc/shadow"); }, {{"/etc/passwd"}}) == EACCES);
    CHECK(inside([] { return open_to_read("/etc/passwd"); }, {{"/etc/passwd"}}) == 0);
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
    for (const int family : {AF_PACKET, AF_ALG, AF_VSOCK})
        CHECK(inside([=] { return failure(::socket(family, SOCK_RAW, 0)); }) == EPERM);
    for (const int family : {AF_INET, AF_UNIX})
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
