#include "common/base/fd.hpp"

#include <unistd.h>

namespace tunnel {

void Fd::close()
{
    // Never retried on EINTR: Linux has released the number by then, close(2).
    if (is_open())
        ::close(release());
}

} // namespace tunnel
