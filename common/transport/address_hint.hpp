// What is wrong with an address that is none, and what was most likely meant.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace tunnel {

enum class AddressForms : std::uint8_t { tcp, tcp_or_unix };

// Words that go on behind "... is not an address", such as "did you mean :9000?". Empty: nobody can
// tell.
std::string hint_for_address(std::string_view text, AddressForms forms);

} // namespace tunnel
