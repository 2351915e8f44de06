// Words of a goodbye that the other program knows.
#pragma once

#include <string_view>

namespace tunnel {

// Whoever is told this has nothing to look at: it is no warning. A goodbye with other words, such
// as that a secret is no longer good, is one.
inline constexpr std::string_view remote_is_stopping = "the remote proxy is shutting down";

} // namespace tunnel
