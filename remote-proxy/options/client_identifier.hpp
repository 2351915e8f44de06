// Names of origin proxies as threshold has them.
#pragma once

#include <string_view>

namespace tunnel {

// Of one whose certificate is for NAME@DOMAIN this is NAME, and of all others their name.
inline std::string_view client_identifier(std::string_view name)
{
    const std::size_t at = name.find('@');
    return at == std::string_view::npos || at == 0 ? name : name.substr(0, at);
}

} // namespace tunnel
