// The JSON that both programs write.
#pragma once

#include <string>

#include <nlohmann/json.hpp>

namespace tunnel {

// Keeps the order of its keys.
using Json = nlohmann::ordered_json;

// On one line. Invalid UTF-8, which a peer may have sent, becomes U+FFFD.
std::string to_line(const Json& json);

} // namespace tunnel
