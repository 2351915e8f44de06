#include "common/base/wipe.hpp"

#include <openssl/crypto.h>

namespace tunnel {

void wipe(std::span<std::uint8_t> bytes)
{
    OPENSSL_cleanse(bytes.data(), bytes.size());
}

} // namespace tunnel
