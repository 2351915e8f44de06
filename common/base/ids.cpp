#include "common/base/ids.hpp"

#include <cerrno>
#include <system_error>
#include <utility>

#include <sys/random.h>

namespace tunnel {

RandomBytes random_bytes()
{
    thread_local std::array<RandomBytes, 16> ahead; // 256 bytes
    thread_local std::size_t left = 0;
    if (left == 0) {
        // Up to 256 bytes come whole or not at all, getrandom(2).
        while (::getrandom(ahead.data(), sizeof ahead, 0) != static_cast<ssize_t>(sizeof ahead)) {
            if (errno != EINTR)
                throw std::system_error(errno, std::system_category(), "getrandom");
        }
        left = ahead.size();
    }
    // What has been handed out is nowhere else.
    return std::exchange(ahead[--left], RandomBytes{});
}

} // namespace tunnel
