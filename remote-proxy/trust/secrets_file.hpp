// The file with the secrets of several origin proxies.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "remote-proxy/trust/trusted_origins.hpp"

namespace tunnel {

// TOML: a table [origins.NAME] for each, with secret = "…", or secrets = ["…", "…"] of which each
// is good, so that a new one can be brought out before the old one is taken away. Throws
// std::runtime_error that names the place, `path` included, and never shows a secret.
std::vector<NamedSecret> parse_secrets(std::string_view toml, const std::string& path);

// The same of a file; as read_private_file() about its mode.
std::vector<NamedSecret> read_secrets_file(const std::string& path);

} // namespace tunnel
