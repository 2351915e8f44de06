// Which numbers have been used.
#pragma once

#include <bitset>
#include <cstdint>
#include <limits>

namespace tunnel {

// Lets every number pass once, in any order, but none that is `size` or more below the highest so
// far (as RFC 4303, section 3.4.3): numbers that come in turn may overtake each other, but not by
// far.
class ReplayWindow {
public:
    static constexpr std::uint64_t size = 1024;

    // Whether `number` is good; it is not a second time.
    bool use(std::uint64_t number)
    {
        if (number >= std::numeric_limits<std::uint64_t>::max() - size) // nobody comes so far
            return false;
        if (number + size < next_)
            return false;
        if (number - next_ >= size && number >= next_) // far ahead
            used_.reset();
        for (; next_ <= number && number - next_ < size; ++next_)
            used_.reset(next_ % size);
        if (next_ <= number)
            next_ = number + 1;
        if (used_.test(number % size))
            return false;
        used_.set(number % size);
        return true;
    }

private:
    std::uint64_t next_ = 0; // above the highest that was used
    std::bitset<size> used_; // of the `size` numbers below it
};

} // namespace tunnel
