// Hashes of passwords, as crypt(3) makes them.
#pragma once

#include <cstdint>
#include <string>

#include "common/base/private_text.hpp"

namespace tunnel {

enum class PasswordIs : std::uint8_t {
    right,
    wrong,
    unknown // the hash cannot be computed: no memory, or libcrypt does not know its kind
};

// Whether `hash`, of a Login, is that of the password. Takes up to a second, by design, and a time
// that does not tell where they differ. Any thread may call it.
PasswordIs check_password(PrivateText& password, const std::string& hash);

} // namespace tunnel
