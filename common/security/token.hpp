// Tokens, which authenticate clients of the management interface.
#pragma once

#include <string>
#include <string_view>

#include "common/base/private_text.hpp"
#include "common/security/key.hpp"

namespace tunnel {

// What a token is compared by, so that it need not be kept.
Key key_of_token(std::string_view token);

// The same for the token in a file; logs a warning if other users can read it. Throws
// std::runtime_error that names a useless file, without its contents.
Key read_token(const std::string& path);

// The token in a file, for sending. Throws like read_token(), and does not warn.
PrivateText token_in(const std::string& path);

// What a token is compared by, as a file has it: spaces and line ends around it do not count.
// `where` is named in errors.
Key parse_token(std::string_view text, std::string_view where);

} // namespace tunnel
