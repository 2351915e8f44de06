// Files with contents that other users must not see.
#pragma once

#include <cstddef>
#include <string>

#include "common/base/private_text.hpp"

namespace tunnel {

// The text of a file from files(), without a byte order mark. Throws std::runtime_error, which
// names the path, if it cannot be read, is larger than `limit` bytes, or has an encoding without
// ASCII, such as UTF-16.
PrivateText read_file(const std::string& path, std::size_t limit);

// Logs a warning, with the remedy, if other users can read the file.
void warn_if_others_may_read(const std::string& path);

// Both of the above.
PrivateText read_private_file(const std::string& path, std::size_t limit);

} // namespace tunnel
