// Files with something in them that others must not see.
#pragma once

#include <cstddef>
#include <string>

#include "common/base/private_text.hpp"

namespace tunnel {

// The whole text of a file out of files(), without a byte order mark at its beginning. Throws
// std::runtime_error, which names the path, if it cannot be read, is larger than `limit` bytes or
// is not in an encoding that has ASCII in it, such as UTF-16.
PrivateText read_file(const std::string& path, std::size_t limit);

// Warns in the log, with the way out, if the file's mode lets others than its owner read it.
void warn_if_others_may_read(const std::string& path);

// Both.
PrivateText read_private_file(const std::string& path, std::size_t limit);

} // namespace tunnel
