// Who answers in another protocol than ours, told by the first bytes. No I/O.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace tunnel {

// So many bytes are shown of an answer in no known protocol; to know one, five are enough.
inline constexpr std::size_t foreign_bytes = 16;

// The name of the protocol that an answer begins like, such as "HTTP" or "SSH"; nullopt: none that
// is known here.
std::optional<std::string_view> protocol_of(std::string_view first_bytes);

// Whether the first frame of a remote proxy, also of a later version, may begin so: a size that
// such a frame may have, and a kind that is no letter.
bool may_begin_frames(std::string_view first_bytes);

// What to say of a peer that was taken for a remote proxy and is none: "that is not a remote proxy
// (it answered HTTP)", and which address is meant.
std::string not_a_remote_proxy(std::string_view first_bytes);

} // namespace tunnel
