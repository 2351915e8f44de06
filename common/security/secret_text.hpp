// Secrets and tokens as people write them into files.
#pragma once

#include <string>
#include <string_view>

namespace tunnel {

// `text` without the spaces and line ends around it, and without a byte order mark at its
// beginning.
std::string_view trimmed_secret(std::string_view text);

// Why a text cannot be a secret, without quoting it: another editor would change it, or it contains
// more than the secret. `what` is what it should be, "a secret" for example. Empty: it can.
std::string objection_to_secret(std::string_view text, std::string_view what);

} // namespace tunnel
