// What is examined in a TLS ClientHello before the library answers it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace tunnel {

// The identities in the extension pre_shared_key (RFC 8446, section 4.2.11) of a hello: the first
// ones, `most` of them at most. What follows a part that is malformed is left out; the library
// refuses the whole hello for that later.
std::vector<std::string_view> offered_identities(std::span<const std::uint8_t> extension,
                                                 std::size_t most);

} // namespace tunnel
