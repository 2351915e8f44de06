// A reload, as the management interface can ask for it.
#pragma once

#include <functional>

#include "common/base/asio.hpp"

namespace tunnel {

struct ReloadReport; // common/options/reload.hpp

// Reads the files and the options again. False, and what is wrong, if nothing has changed.
using Reload = std::function<awaitable<bool>(ReloadReport& report)>;

} // namespace tunnel
