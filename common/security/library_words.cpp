#include "common/security/library_words.hpp"

#include <system_error>

#include <openssl/err.h>

namespace tunnel {

std::string words_of(unsigned long error)
{
    const char* const reason = ERR_reason_error_string(error);
    if (reason != nullptr)
        return reason;
    return error != 0 ? std::system_category().message(ERR_GET_REASON(error)) : "unknown error";
}

} // namespace tunnel
