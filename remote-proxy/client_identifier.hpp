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

// Whether a tunnel for `client` is for the origin proxy of this name.
inline bool is_client(std::string_view name, std::string_view client)
{
    return name == client || client_identifier(name) == client;
}

} // namespace tunnel
