#include "common/relay/beginning.hpp"

#include <algorithm>
#include <array>
#include <cerrno>

namespace tunnel {

std::optional<Beginning> look_at_beginning(Channel& from, Guard guard)
{
    std::array<std::byte, guarded_bytes> first;
    // With a signal pending recv(2) says EAGAIN at a mark of urgent data; otherwise each look shows
    // at least one byte more.
    for (std::size_t looks = 0; looks < 2 * guarded_bytes; ++looks) {
        bool ended = false;
        const ssize_t result = from.peek(first, ended);
        if (result < 0 && errno != EAGAIN && errno != EINTR)
            return std::nullopt;
        const auto seen = static_cast<std::size_t>(std::max<ssize_t>(result, 0));
        const Beginning beginning = seen > 0
                                        ? guard({reinterpret_cast<const char*>(first.data()), seen})
                                        : Beginning::undecided;
        if (beginning != Beginning::undecided)
            return beginning;
        if (!from.hides_more_than(seen))
            return ended ? Beginning::allowed : Beginning::undecided;
        from.uncover(seen);
    }
    return std::nullopt;
}

} // namespace tunnel
