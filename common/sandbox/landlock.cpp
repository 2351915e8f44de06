#include "common/sandbox/landlock.hpp"

#include <array>
#include <cstdint>
#include <cstdlib>
#include <functional>

#include <fcntl.h>
#include <linux/landlock.h>
#include <openssl/x509.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/base/error.hpp"
#include "common/base/fd.hpp"

namespace tunnel {

namespace {

namespace fs = std::filesystem;

// What Debian 12's <linux/landlock.h>, of Linux 6.1, does not have; from
// https://docs.kernel.org/userspace-api/landlock.html
struct RulesetAttributes {
    std::uint64_t handled_access_fs;
    std::uint64_t handled_access_net; // none: the outside address may be any
    std::uint64_t scoped;
};

constexpr std::uint64_t scope_abstract_unix_socket = 1 << 0;
constexpr std::uint64_t scope_signal = 1 << 1;
constexpr std::uint64_t truncate_file = 1 << 14;

constexpr std::uint64_t read_one_file = LANDLOCK_ACCESS_FS_READ_FILE;
constexpr std::uint64_t read_all = read_one_file | LANDLOCK_ACCESS_FS_READ_DIR;

// The same page, "Previous limitations": rights 0 to 12 came with the first ABI, REFER (13) with
// the second, TRUNCATE (14) with the third, IOCTL_DEV (15) with the fifth.
constexpr std::uint64_t rights_of(long abi)
{
    const int count = abi >= 5 ? 16 : abi >= 3 ? 15 : abi == 2 ? 14 : 13;
    return (1u << count) - 1;
}

// The sixth.
constexpr std::uint64_t scopes_of(long abi)
{
    return abi >= 6 ? scope_abstract_unix_socket | scope_signal : 0;
}

// What getaddrinfo() reads, and how many cores there are for the memory of a new thread. The code
// of the modules that nsswitch.conf names was loaded before.
constexpr std::array<const char*, 19> of_look_ups{"/etc/resolv.conf",
                                                  "/etc/hosts",
                                                  "/etc/host.conf",
                                                  "/etc/hostname",
                                                  "/etc/nsswitch.conf",
                                                  "/etc/gai.conf",
                                                  "/etc/networks",
                                                  "/etc/services",
                                                  "/etc/protocols",
                                                  "/etc/machine-id",
                                                  "/etc/localtime",
                                                  "/run/systemd/resolve",
                                                  "/run/NetworkManager",
                                                  "/run/resolvconf",
                                                  "/sys/devices/system/cpu",
                                                  "/proc/sys/crypto",
                                                  "/proc/sys/vm/overcommit_memory",
                                                  "/dev/urandom",
                                                  "/dev/null"};

// Where the certificates of the system's authorities are, beside where OpenSSL says; without
// /etc/ssl/private.
constexpr std::array<const char*, 6> of_authorities{"/etc/ssl/certs",
                                                    "/etc/ssl/cert.pem",
                                                    "/etc/pki/tls/certs",
                                                    "/etc/pki/ca-trust/extracted/pem",
                                                    "/usr/share/ca-certificates",
                                                    "/usr/local/share/ca-certificates"};

class Ruleset {
public:
    explicit Ruleset(const RulesetAttributes& attributes)
        : handled_(attributes.handled_access_fs),
          descriptor_(static_cast<int>(
              ::syscall(SYS_landlock_create_ruleset, &attributes, sizeof attributes, 0)))
    {
    }

    bool made() const { return descriptor_.is_open(); }

    // What is not there needs no right.
    void allow_reading(const fs::path& path) const
    {
        const Fd place(::open(path.c_str(), O_PATH | O_CLOEXEC));

        struct stat what {};

        if (!place.is_open() || ::fstat(place.get(), &what) != 0)
            return;
        allow(place, S_ISDIR(what.st_mode) ? read_all : read_one_file);
    }

    // That is a right at the folder.
    void allow_removing(const fs::path& path) const
    {
        std::error_code error;
        const fs::path folder = fs::absolute(path, error).parent_path();
        const Fd place(::open(folder.c_str(), O_PATH | O_CLOEXEC));
        if (place.is_open())
            allow(place, LANDLOCK_ACCESS_FS_REMOVE_FILE);
    }

    // A rule is about the file that is there now, and not about its name; only a rule about the
    // folder holds for the one that replaces it. For the sake of one file these two would tell far
    // too much.
    void allow_reading_what_replaces(const fs::path& link) const
    {
        std::error_code error;
        const fs::path folder = fs::weakly_canonical(link, error).parent_path();
        if (!folder.empty() && folder != "/" && folder != "/etc")
            allow_reading(folder);
    }

    // Writes it aside and renames it, which asks for all this at the folder.
    void allow_replacing(const fs::path& path) const
    {
        std::error_code error;
        const fs::path folder = fs::absolute(path, error).parent_path();
        const Fd place(::open(folder.c_str(), O_PATH | O_CLOEXEC));
        if (place.is_open())
            allow(place, handled_ & (read_all | LANDLOCK_ACCESS_FS_WRITE_FILE |
                                     LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_REMOVE_FILE |
                                     truncate_file));
    }

    // Made anew, if the one that is there was moved away.
    void allow_appending(const fs::path& path) const
    {
        std::error_code error;
        const fs::path folder = fs::absolute(path, error).parent_path();
        const Fd place(::open(folder.c_str(), O_PATH | O_CLOEXEC));
        if (place.is_open())
            allow(place, LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_MAKE_REG);
    }

    bool restrict_this_thread() const
    {
        return ::syscall(SYS_landlock_restrict_self, descriptor_.get(), 0) == 0;
    }

private:
    void allow(const Fd& place, std::uint64_t rights) const
    {
        landlock_path_beneath_attr rule{};
        rule.allowed_access = rights;
        rule.parent_fd = place.get();
        ::syscall(SYS_landlock_add_rule, descriptor_.get(), LANDLOCK_RULE_PATH_BENEATH, &rule, 0);
    }

    std::uint64_t handled_;
    Fd descriptor_;
};

} // namespace

namespace {

void allow_authorities(const Ruleset& rules)
{
    for (const char* const path : of_authorities)
        rules.allow_reading(path);
    rules.allow_reading(::X509_get_default_cert_file());
    rules.allow_reading(::X509_get_default_cert_dir());
    for (const char* const variable :
         {::X509_get_default_cert_file_env(), ::X509_get_default_cert_dir_env()}) {
        if (const char* const path = std::getenv(variable); path != nullptr && *path != '\0')
            rules.allow_reading(path);
    }
}

std::error_code restrict_to(const std::function<void(const Ruleset&)>& allow)
{
    const long abi =
        ::syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION);
    if (abi < 0)
        return last_error();
    const Ruleset rules({rights_of(abi), 0, scopes_of(abi)});
    if (!rules.made())
        return last_error();
    allow(rules);
    return rules.restrict_this_thread() ? std::error_code() : last_error();
}

} // namespace

std::error_code restrict_files(const SandboxNeeds& needs)
{
    return restrict_to([&needs](const Ruleset& rules) {
        for (const char* path : of_look_ups)
            rules.allow_reading(path);
        rules.allow_reading_what_replaces("/etc/resolv.conf");
        // A DHCP client replaces /etc/resolv.conf, an editor /etc/hosts. Whoever is not root could
        // read nothing there that is secret anyway; root, as owner, could read all of it.
        if (::geteuid() != 0)
            rules.allow_reading("/etc");
        if (needs.system_authorities)
            allow_authorities(rules);
        if (!needs.readable.empty())
            rules.allow_reading(needs.readable);
        if (!needs.removed.empty())
            rules.allow_removing(needs.removed);
        if (!needs.appended.empty())
            rules.allow_appending(needs.appended);
        if (!needs.replaced.empty())
            rules.allow_replacing(needs.replaced);
    });
}

std::error_code restrict_files_to_reading()
{
    return restrict_to([](const Ruleset& rules) { rules.allow_reading("/"); });
}

std::error_code restrict_files_to_none()
{
    return restrict_to([](const Ruleset&) {});
}

} // namespace tunnel
