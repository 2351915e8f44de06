// How many log lines the services of one origin proxy may cause.
#pragma once

#include <algorithm>

#include "common/base/asio.hpp"

namespace tunnel {

// Enough for a line about each service that it may have, when it opens and when it closes; then one
// line a second. No clock.
class LineAllowance {
public:
    static constexpr int most = 2000;
    static constexpr Clock::duration between = std::chrono::seconds(1);

    // Whether a line may be written now; if so, it counts.
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
