// Which form of an answer a visitor prefers.
#pragma once

#include <cstdint>
#include <string_view>

namespace tunnel {

enum class AnswerForm : std::uint8_t { html, json, text };

// By the Accept header of a request (RFC 9110 12.5.1), empty: there is none. Whoever only takes
// everything, as curl does, or takes none of them, gets text. What is malformed counts for little.
AnswerForm preferred_form(std::string_view accept);

} // namespace tunnel
