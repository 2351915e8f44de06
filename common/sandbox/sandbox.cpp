#include "common/sandbox/sandbox.hpp"

#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>

#include <cap-ng.h>
#include <fmt/format.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "common/base/error.hpp"
#include "common/base/log.hpp"
#include "common/sandbox/landlock.hpp"
#include "common/sandbox/needed_later.hpp"
#include "common/sandbox/system_calls.hpp"

namespace tunnel {

namespace {

std::error_code gain_no_privileges()
{
    return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 ? std::error_code() : last_error();
}

constexpr unsigned no_capability = CAP_LAST_CAP + 1;

// All but `kept`, which this user may not have either. None can be gained any more.
std::error_code drop_capabilities(unsigned kept)
{
    if (::capng_get_caps_process() != 0)
        return last_error();
    // For a program that this one would run; whoever may not change it can leave it, since none of
    // it can be gained any more.
    const bool bounds = ::capng_have_capability(CAPNG_EFFECTIVE, CAP_SETPCAP) == 1;
    const bool keeps = kept != no_capability && ::capng_have_capability(CAPNG_PERMITTED, kept) == 1;
    ::capng_clear(CAPNG_SELECT_BOTH);
    if (keeps)
        ::capng_update(CAPNG_ADD, static_cast<capng_type_t>(CAPNG_EFFECTIVE | CAPNG_PERMITTED),
                       kept);
    if (::capng_apply(bounds ? CAPNG_SELECT_BOTH : CAPNG_SELECT_CAPS) == 0 ||
        ::capng_apply(CAPNG_SELECT_CAPS) == 0)
        return {};
    return {EPERM, std::system_category()};
}

// What is not available here, and why.
class MissingParts {
public:
    void note(std::string_view part, std::error_code error)
    {
        if (error)
            all_ += fmt::format("{}{}: {}", all_.empty() ? "" : ", ", part, error.message());
    }

    const std::string& all() const { return all_; }

private:
    std::string all_;
};

[[noreturn]] void refuse_to_start(std::string_view why)
{
    throw std::runtime_error(fmt::format("--sandbox required: {}; start it on a system that has "
                                         "this, or with --sandbox on",
                                         why));
}

} // namespace

void enter_sandbox(Sandbox sandbox, const SandboxNeeds& needs)
{
    if (sandbox == Sandbox::off) {
        log::info("no sandbox, as requested");
        return;
    }
    if (!sandbox_is_built()) {
        if (sandbox == Sandbox::required)
            refuse_to_start("this build is instrumented, and has no sandbox");
        log::info("no sandbox: this instrumented build could not report what it finds");
        return;
    }
    load_code_needed_later();
    MissingParts missing;
    missing.note("no_new_privs", gain_no_privileges());
    // Not even CAP_NET_BIND_SERVICE is kept, unless new ports are asked for: one that is bound
    // stays so, and listening on it anew needs none. libcap-ng reads /proc/self.
    missing.note("capabilities",
                 drop_capabilities(needs.low_ports ? CAP_NET_BIND_SERVICE : no_capability));
    missing.note("landlock", restrict_files(needs));
    missing.note("seccomp", restrict_system_calls(needs));
    if (missing.all().empty())
        return;
    if (sandbox == Sandbox::required)
        refuse_to_start(fmt::format("a part of it cannot be had here ({})", missing.all()));
    log::warn("a part of the sandbox is not available here", {{"missing", missing.all()}});
}

// The program itself reports what is missing.
void enter_file_reader_sandbox(Sandbox sandbox)
{
    if (sandbox == Sandbox::off || !sandbox_is_built())
        return;
    gain_no_privileges();
    // Root reads then what it could read at the start, and no more than any file.
    drop_capabilities(CAP_DAC_READ_SEARCH);
    restrict_files_to_reading();
    restrict_system_calls_to_reading();
}

void enter_unix_dialer_sandbox(Sandbox sandbox)
{
    if (sandbox == Sandbox::off || !sandbox_is_built())
        return;
    gain_no_privileges();
    drop_capabilities(no_capability);
    restrict_files_to_none();
    restrict_system_calls_to_dialing();
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

} // namespace tunnel
