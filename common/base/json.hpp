// JSON, as both programs write it.
#pragma once

#include <string>

#include <nlohmann/json.hpp>

namespace tunnel {

// With the keys in the order in which they were put in.
using Json = nlohmann::ordered_json;

// On one line. Texts that are no UTF-8 have U+FFFD where they are not: a peer may have sent them.
std::string to_line(const Json& json);

} // namespace tunnel
