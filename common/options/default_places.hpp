// Where a program looks for its configuration, and a command for the program that runs, when
// nobody says where.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "common/options/management_options.hpp"

namespace tunnel {

// $XDG_CONFIG_HOME (or ~/.config) before /etc: PROGRAM/PROGRAM.toml.
std::vector<std::filesystem::path> default_configurations(std::string_view program);

// The first that is there, also if this user may not read it; or the last, if he may not look into
// its folder. Empty: none.
std::filesystem::path first_that_exists(const std::vector<std::filesystem::path>& files);

// /run before $XDG_RUNTIME_DIR: PROGRAM/management.sock.
std::vector<std::filesystem::path> default_management_sockets(std::string_view program);

// The first that this user may connect to, or else the first that is there for others; empty: none.
std::filesystem::path best_socket(const std::vector<std::filesystem::path>& sockets);

} // namespace tunnel
