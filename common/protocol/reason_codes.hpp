// The codes of the reasons that frames have as numbers.
#pragma once

#include "common/base/code.hpp"
#include "common/protocol/frame.hpp"

namespace tunnel {

// Code::failed for a reason of a later version.
Code code_of(RejectReason reason);
Code code_of(DeclineReason reason);

} // namespace tunnel
