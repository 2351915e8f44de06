#include "common/protocol/ids.hpp"

#include <cerrno>
#include <system_error>

#include <sys/random.h>

namespace tunnel {

RandomBytes random_bytes()
{
    RandomBytes bytes;
    // Up to 256 bytes come whole or not at all, getrandom(2).
    while (::getrandom(bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size())) {
        if (errno != EINTR)
            throw std::system_error(errno, std::system_category(), "getrandom");
    }
    return bytes;
}

} // namespace tunnel
