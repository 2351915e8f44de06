#include "common/base/private_text.hpp"

#include <cstdint>

#include "common/base/wipe.hpp"

namespace tunnel {

PrivateText::~PrivateText()
{
    wipe({reinterpret_cast<std::uint8_t*>(text_.data()), text_.capacity()});
}

} // namespace tunnel
