#include "common/sandbox.hpp"

#include <string>
#include <string_view>
#include <system_error>

#include <cap-ng.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "common/error.hpp"
#include "common/log.hpp"
#include "common/net/fd.hpp"
#include "common/sandbox/landlock.hpp"
#include "common/sandbox/system_calls.hpp"

namespace tunnel {

namespace {

std::error_code gain_no_privileges()
{
    return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 ? std::error_code() : last_error();
}

// Not even CAP_NET_BIND_SERVICE is kept, unless new ports are asked for: one that is bound stays
// so, and listening on it anew needs none.
std::error_code drop_capabilities(bool low_ports)
{
    if (::capng_get_caps_process() != 0)
        return last_error();
    // For a program that this one would run; whoever may not change it can leave it, since none of
    // it can be gained any more.
    const bool bounds = ::capng_have_capability(CAPNG_EFFECTIVE, CAP_SETPCAP) == 1;
    const bool binds =
        low_ports && ::capng_have_capability(CAPNG_EFFECTIVE, CAP_NET_BIND_SERVICE) == 1;
    ::capng_clear(CAPNG_SELECT_BOTH);
    if (binds)
        ::capng_update(CAPNG_ADD, static_cast<capng_type_t>(CAPNG_EFFECTIVE | CAPNG_PERMITTED),
                       CAP_NET_BIND_SERVICE);
    if (::capng_apply(bounds ? CAPNG_SELECT_BOTH : CAPNG_SELECT_CAPS) == 0 ||
        ::capng_apply(CAPNG_SELECT_CAPS) == 0)
        return {};
    return {EPERM, std::system_category()};
}

void warn_of_what_cannot_be_read(const SandboxNeeds& needs)
{
    for (const auto& path : needs.read_again) {
        const Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
        if (!file.is_open())
            log::warn("cannot be read again inside the sandbox",
                      {{"file", path.string()}, {"reason", last_error().message()}});
    }
}

} // namespace

void enter_sandbox(Sandbox sandbox, const SandboxNeeds& needs)
{
    if (sandbox == Sandbox::off) {
        log::info("no sandbox, as it was asked for");
        return;
    }
    if (!sandbox_is_built()) {
        log::info("no sandbox: this build is instrumented, and could not report what it finds");
        return;
    }
    std::string missing;
    const auto note = [&missing](std::string_view part, std::error_code error) {
        if (error)
            missing += fmt::format("{}{}: {}", missing.empty() ? "" : ", ", part, error.message());
    };
    note("no_new_privs", gain_no_privileges());
    note("capabilities", drop_capabilities(needs.low_ports)); // libcap-ng reads /proc/self
    note("landlock", restrict_files(needs));
    note("seccomp", restrict_system_calls(needs));
    if (!missing.empty())
        log::info("a part of the sandbox cannot be had here", {{"missing", missing}});
    warn_of_what_cannot_be_read(needs);
}

bool sandbox_is_built()
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || defined(TUNNEL_COUNTS_LINES)
    return false;
#elif defined(__has_feature)
    // clang's way to say it; in a condition of its own, since g++ 12 cannot read this line.
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) ||                         \
    __has_feature(memory_sanitizer)
    return false;
#else
    return true;
#endif
#else
    return true;
#endif
}

void keep_memory_private()
{
    ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    const rlimit none{0, 0};
    ::setrlimit(RLIMIT_CORE, &none);
}

} // namespace tunnel
