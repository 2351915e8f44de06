// A reload, as the management interface can ask for it.
#pragma once

#include <functional>
#include <string>

#include "common/asio.hpp"

namespace tunnel {

// Reads the files and the options again. False, and what is wrong, if nothing has changed.
using Reload = std::function<awaitable<bool>(std::string& problems)>;

} // namespace tunnel
