// Whether an origin server is well.
#pragma once

#include <cstdint>

namespace tunnel {

// What a row of checks says, without clock and sockets. It is well until the checks say otherwise:
// a wrong check must not keep anybody out who could be served.
class Health {
public:
    // So many checks in a row have to say the other thing.
    constexpr Health(std::uint32_t failures, std::uint32_t successes)
        : failures_(failures), successes_(successes)
    {
    }

    // What one check came to. Whether that changes what is thought of the server.
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
    std::uint32_t against_ = 0; // in a row, that said the other thing
    bool healthy_ = true;
};

} // namespace tunnel
