// Whether an origin server is healthy.
#pragma once

#include <cstdint>

namespace tunnel {

// What a row of checks says, without clock and sockets. A server is healthy until the checks say
// otherwise: a wrong check must not keep out visitors who could be served.
class Health {
public:
    // So many in a row make the server unhealthy, or healthy again.
    constexpr Health(std::uint32_t failures, std::uint32_t successes)
        : failures_(failures), successes_(successes)
    {
    }

    // Notes the result of one check. Answers whether healthy() has changed.
    constexpr bool note(bool success)
    {
        if (success == healthy_) {
            against_ = 0;
            return false;
        }
        if (++against_ < (healthy_ ? failures_ : successes_))
            return false;
        against_ = 0;
        healthy_ = !healthy_;
        return true;
    }

    constexpr bool healthy() const { return healthy_; }

private:
    std::uint32_t failures_;
    std::uint32_t successes_;
    std::uint32_t against_ = 0; // checks in a row that contradict healthy_
    bool healthy_ = true;
};

} // namespace tunnel
