// Fields of an answer of the management interface, as they are printed.
#pragma once

#include <string>

#include "common/base/json.hpp"
#include "common/commands/table.hpp"

namespace tunnel {

// Each throws Json::exception if the key is missing or has another type.

// Empty for null.
inline std::string text_in(const Json& json, const char* key)
{
    const Json& value = json.at(key);
    return value.is_null() ? std::string() : value.get<std::string>();
}

inline std::uint64_t number_in(const Json& json, const char* key)
{
    return json.at(key).get<std::uint64_t>();
}

inline std::string count_in(const Json& json, const char* key)
{
    return std::to_string(number_in(json, key));
}

inline std::string bytes_in(const Json& json, const char* key)
{
    return human_bytes(number_in(json, key));
}

inline std::string age_in(const Json& json)
{
    return human_age(json.at("seconds").get<double>());
}

// Empty for null.
inline std::string round_trip_in(const Json& json)
{
    const Json& value = json.at("round_trip_seconds");
    return value.is_null() ? std::string() : human_round_trip(value.get<double>());
}

} // namespace tunnel
