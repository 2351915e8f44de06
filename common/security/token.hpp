// Tokens: words by which a program knows who asks something of its management interface.
#pragma once

#include <string>
#include <string_view>

#include "common/base/private_text.hpp"
#include "common/security/key.hpp"

namespace tunnel {

// What a token is compared by, so that it need not be kept.
Key key_of_token(std::string_view token);

// The same of the token in a file, with a warning if others may read it. Throws std::runtime_error
// that names the file if it is of no use, without what is in it.
Key read_token(const std::string& path);

// The token in a file, to be sent. Throws as read_token(); does not warn if others may read it.
PrivateText token_in(const std::string& path);

// What a token is compared by, as a file has it: spaces and line ends around it do not count.
// `where` is named in errors.
Key parse_token(std::string_view text, std::string_view where);

} // namespace tunnel
