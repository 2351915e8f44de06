#include "remote-proxy/http/password_hash.hpp"

#include <memory>
#include <string_view>

#include <crypt.h>

#include "common/base/wipe.hpp"
#include "common/security/key.hpp"

namespace tunnel {

namespace {

struct Scratch {
    ~Scratch() { wipe({reinterpret_cast<std::uint8_t*>(&data), sizeof data}); }

    crypt_data data{};
};

std::span<const std::uint8_t> bytes_of(std::string_view text)
{
    return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

} // namespace

PasswordIs check_password(PrivateText& password, const std::string& hash)
{
    const auto scratch = std::make_unique<Scratch>(); // 32 KiB
    const char* const text = ::crypt_r(password.data(), hash.c_str(), &scratch->data);
    if (text == nullptr || *text == '*')
        return PasswordIs::unknown;
    const bool is_right = equal(bytes_of(text), bytes_of(hash));
    return is_right ? PasswordIs::right : PasswordIs::wrong;
}

} // namespace tunnel
