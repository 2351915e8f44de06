// A reload that the management interface asks for.
#pragma once

#include <functional>

#include "common/base/asio.hpp"

namespace tunnel {

struct ReloadReport; // common/options/reload.hpp

// Reads the files and options again. If that fails, false with the problems, and nothing has
// changed.
using Reload = std::function<awaitable<bool>(ReloadReport& report)>;

} // namespace tunnel
