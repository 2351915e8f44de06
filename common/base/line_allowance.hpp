// How much of the log one origin proxy's services may fill.
#pragma once

#include <algorithm>

#include "common/base/asio.hpp"

namespace tunnel {

// Room for a line about each of as many services as it may have, when they open and when they
// close; once that is used up, for one line a second. No clock.
class LineAllowance {
public:
    static constexpr int most = 2000;
    static constexpr Clock::duration between = std::chrono::seconds(1);

    // Whether there may be a line now.
    bool take(Clock::time_point now)
    {
        if (used_until_ > now + (most - 1) * between)
            return false;
        used_until_ = std::max(used_until_, now) + between;
        return true;
    }

private:
    Clock::time_point used_until_{}; // at one a second
};

} // namespace tunnel
