// The file with the secrets of several origin proxies.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "remote-proxy/trust/trusted_origins.hpp"

namespace tunnel {

// TOML: a table [origins.NAME] for each, with secret = "…", or secrets = ["…", "…"] that are all
// valid, so that a new secret can be distributed before the old one is removed. Throws
// std::runtime_error that names the place with `path`, and never shows a secret.
std::vector<NamedSecret> parse_secrets(std::string_view toml, const std::string& path);

// The same from a file; warns about its mode like read_private_file().
std::vector<NamedSecret> read_secrets_file(const std::string& path);

} // namespace tunnel
