#include "common/base/lookups.hpp"

namespace tunnel {

namespace {

int open_lookups = 0;

} // namespace

void lookup_began()
{
    ++open_lookups;
}

void lookup_ended()
{
    --open_lookups;
}

int lookups_under_way()
{
    return open_lookups;
}

} // namespace tunnel
