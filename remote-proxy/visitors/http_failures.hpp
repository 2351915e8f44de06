// What a visitor who speaks HTTP hears when nobody serves the request.
#pragma once

#include "common/base/code.hpp"
#include "remote-proxy/http/own_answer.hpp"

namespace tunnel {

// Nothing that only the remote proxy or the origin proxy should know is in it.
OwnAnswer answer_to(const Reason& why);

} // namespace tunnel
