// How many name look-ups are under way, which nothing can cancel.
#pragma once

namespace tunnel {

// Callers report each beginning and each answer, wanted or not. On one thread.
void lookup_began();
void lookup_ended();

// While there are any, destroying an io_context waits for the name server.
int lookups_under_way();

} // namespace tunnel
