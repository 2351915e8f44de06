#pragma once

#include <cstdint>
#include <string_view>

namespace tunnel {

// Who has asked for a service.
enum class ServiceSource : std::uint8_t { options, origin, management };

// As the management interface names it.
inline std::string_view name_of(ServiceSource source)
{
    switch (source) {
    case ServiceSource::origin:
        return "origin";
    case ServiceSource::management:
        return "management";
    case ServiceSource::options:
        break;
    }
    return "options";
}

} // namespace tunnel
