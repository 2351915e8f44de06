// The user that a program started by root changes to.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <sys/types.h>

namespace tunnel {

// The accepted form, for error messages.
inline constexpr std::string_view user_syntax = "USER or USER:GROUP, by names or numbers";

// nullopt: not of that form. Whether the user exists is not checked.
struct UserName {
    std::string user;
    std::string group{}; // empty: the user's own, with those that it is a member of
};

std::optional<UserName> parse_user_name(std::string_view text);

struct User {
    uid_t user;
    gid_t group;
    std::vector<gid_t> groups; // all of them
};

// Throws std::runtime_error if there is no such user or group.
User find_user(const UserName& name);

// Why this process cannot become that user, and what to do; empty: it can.
std::string objection_to_becoming(const User& user);

// The user to change to; nullopt: no change is needed. Throws std::runtime_error if it is not
// possible.
std::optional<User> user_to_become(const std::optional<UserName>& name);

// Changes to that user for good. Keeps CAP_NET_BIND_SERVICE if `low_ports`. Call it before any
// thread is started. Throws std::runtime_error.
void become(const User& user, bool low_ports);

// The same, after giving the user the files that this process has made: `socket_file`, if any, and
// that of the log.
void become(const User& user, bool low_ports, const std::string& socket_file);

} // namespace tunnel
