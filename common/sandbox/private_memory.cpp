#include <sys/prctl.h>
#include <sys/resource.h>

#include "common/sandbox/sandbox.hpp"

namespace tunnel {

void keep_memory_private()
{
    ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    const rlimit none{0, 0};
    ::setrlimit(RLIMIT_CORE, &none);
}

} // namespace tunnel
