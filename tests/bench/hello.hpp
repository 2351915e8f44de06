// A ClientHello that never changes. Who only routes TLS by it cannot tell it from a real one, and
// neither end has to do TLS, so that what the routing costs shows.
#pragma once

#include <string>
#include <string_view>

namespace bench {

inline constexpr const char* host_name = "bench.example"; // for which the prepared one asks, too

// A whole TLS record.
const std::string& prepared_hello();

} // namespace bench
