// Lines of a basic-auth-file, as they are offered: who may come to a service. No I/O.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "common/transport/http_settings.hpp"

namespace tunnel {

// Whether it looks like one: a name, a colon and a hash that begins with "$", all of which can be
// shown. Which kinds of hashes are good is not asked here.
bool is_login_line(std::string_view line);

// Those of a file, without comments, empty lines and spaces around them. Throws
// std::invalid_argument that says what is wrong with which line, and nothing of what stands there.
std::vector<std::string> read_login_lines(std::string_view text);

// What they count for largest_logins.
std::size_t size_of_logins(const std::vector<std::string>& lines);

} // namespace tunnel
