#include "common/sandbox/user.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <stdexcept>

#include <cap-ng.h>
#include <fmt/format.h>
#include <grp.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "common/base/error.hpp"
#include "common/base/log.hpp"
#include "common/base/number.hpp"

namespace tunnel {

namespace {

bool is_user_word(std::string_view text)
{
    return !text.empty() && text.size() <= 256 && std::ranges::all_of(text, [](unsigned char c) {
        return c > ' ' && c != ':' && c != 0x7f;
    });
}

[[noreturn]] void cannot_become(std::string_view step)
{
    const std::error_code error = last_error();
    throw std::runtime_error(fmt::format("--user: {}: {}", step, error.message()));
}

const passwd* entry_of(const std::string& user)
{
    if (const passwd* const entry = ::getpwnam(user.c_str()))
        return entry;
    const auto number = parse_number(user);
    return number ? ::getpwuid(*number) : nullptr;
}

std::optional<gid_t> group_of_name(const std::string& name)
{
    if (const group* const entry = ::getgrnam(name.c_str()))
        return entry->gr_gid;
    return parse_number(name);
}

std::vector<gid_t> groups_of(const std::string& user, gid_t own)
{
    std::vector<gid_t> groups(16);
    int count = static_cast<int>(groups.size());
    while (::getgrouplist(user.c_str(), own, groups.data(), &count) < 0) {
        groups.resize(std::max(static_cast<std::size_t>(count), groups.size() * 2));
        count = static_cast<int>(groups.size());
    }
    groups.resize(static_cast<std::size_t>(count));
    return groups;
}

// What this process may hand on to programs that it runs, which is less.
void drop_bounding_set()
{
    if (::capng_get_caps_process() != 0)
        return;
    ::capng_clear(CAPNG_SELECT_BOUNDS);
    ::capng_apply(CAPNG_SELECT_BOUNDS);
}

} // namespace

std::optional<UserName> parse_user_name(std::string_view text)
{
    const std::size_t colon = text.find(':');
    const std::string_view user = text.substr(0, colon);
    if (!is_user_word(user))
        return std::nullopt;
    if (colon == std::string_view::npos)
        return UserName{std::string(user)};
    const std::string_view group = text.substr(colon + 1);
    if (!is_user_word(group))
        return std::nullopt;
    return UserName{std::string(user), std::string(group)};
}

User find_user(const UserName& name)
{
    User found{};
    const passwd* const entry = entry_of(name.user);
    const auto number = parse_number(name.user);
    if (entry != nullptr) {
        found.user = entry->pw_uid;
        found.group = entry->pw_gid;
        const std::string called = entry->pw_name;
        found.groups = groups_of(called, found.group);
    } else if (number && !name.group.empty()) { // a container has often no entry for it
        found.user = *number;
    } else {
        throw std::runtime_error(
            fmt::format("--user {}: there is no such user on this system{}", log::escape(name.user),
                        number ? "; a number without an entry needs a group: NUMBER:NUMBER" : ""));
    }
    if (name.group.empty())
        return found;
    const auto group = group_of_name(name.group);
    if (!group)
        throw std::runtime_error(fmt::format("--user {}:{}: there is no such group on this system",
                                             log::escape(name.user), log::escape(name.group)));
    found.group = *group;
    found.groups = {*group};
    return found;
}

std::string objection_to_becoming(const User& user)
{
    if (user.user == 0)
        return "--user is for giving up root's rights, so it cannot be root itself: leave it out "
               "to stay root";
    if (::geteuid() != 0)
        return fmt::format("--user needs a start as root, and this program was started by user {}: "
                           "leave it out, or start it as root",
                           ::geteuid());
    return {};
}

std::optional<User> user_to_become(const std::optional<UserName>& name)
{
    if (!name)
        return std::nullopt;
    User user = find_user(*name);
    if (const std::string objection = objection_to_becoming(user); !objection.empty())
        throw std::runtime_error(objection);
    return user;
}

// The groups first, which only root can change; the user last.
void become(const User& user, bool low_ports)
{
    drop_bounding_set();
    if (::setgroups(user.groups.size(), user.groups.data()) != 0)
        cannot_become("cannot change the groups");
    if (::setresgid(user.group, user.group, user.group) != 0)
        cannot_become("cannot change the group");
    // Else the change of the user takes every capability.
    if (low_ports)
        ::prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0);
    if (::setresuid(user.user, user.user, user.user) != 0)
        cannot_become("cannot change the user");
    ::prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0);
    if (low_ports) {
        ::capng_clear(CAPNG_SELECT_BOTH);
        ::capng_update(CAPNG_ADD, static_cast<capng_type_t>(CAPNG_EFFECTIVE | CAPNG_PERMITTED),
                       CAP_NET_BIND_SERVICE);
        ::capng_apply(CAPNG_SELECT_CAPS);
    }
    if (::getuid() != user.user || ::geteuid() != user.user || ::getgid() != user.group ||
        ::getegid() != user.group || ::setresuid(0, 0, 0) == 0)
        throw std::runtime_error("--user: this process is still root after the change");
}

void become(const User& user, bool low_ports, const std::string& socket_file)
{
    if (!socket_file.empty() && ::lchown(socket_file.c_str(), user.user, user.group) != 0)
        fail(last_error(), fmt::format("cannot give {} to the user of --user", socket_file));
    if (const LogFile* const file = log::file())
        file->give_to(user.user, user.group);
    become(user, low_ports);
}

} // namespace tunnel
