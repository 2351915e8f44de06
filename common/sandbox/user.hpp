// Who a program that was started by root goes on as.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <sys/types.h>

namespace tunnel {

// What is understood, for error messages.
inline constexpr std::string_view user_syntax = "USER or USER:GROUP, by names or numbers";

// As it is written; nullopt: not of the form. Whether there is one of that name is not looked at.
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

// Throws std::runtime_error: there is no such user or group.
User find_user(const UserName& name);

// Why this process cannot become it, and what to do; empty: it can.
std::string objection_to_becoming(const User& user);

// Whom this process can become; none: it need not. Throws std::runtime_error if it cannot.
std::optional<User> user_to_become(const std::optional<UserName>& name);

// From now on the process is that user, and cannot be another again. It keeps CAP_NET_BIND_SERVICE
// if `low_ports`. Before any thread is started. Throws std::runtime_error.
void become(const User& user, bool low_ports);

// The same, after it got `socket_file`, which this process has made, if there is one.
void become(const User& user, bool low_ports, const std::string& socket_file);

} // namespace tunnel
