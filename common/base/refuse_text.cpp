#include "common/base/refuse_text.hpp"

#include <stdexcept>

#include <fmt/format.h>

#include "common/base/log.hpp"

namespace tunnel {

void refuse_text(std::string_view text, std::string_view expected, std::string_view hint)
{
    throw std::invalid_argument(fmt::format("\"{}\" is not {}{}{}", log::escape(text), expected,
                                            hint.empty() ? "" : "; ", hint));
}

} // namespace tunnel
