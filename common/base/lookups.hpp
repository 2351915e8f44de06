// How many questions to the system's resolver are open, which nothing can cancel.
#pragma once

namespace tunnel {

// Whoever asks says when it begins and when the answer has come, wanted or not. On one thread.
void lookup_began();
void lookup_ended();

// While there are any, an io_context cannot be destroyed without waiting for the name server.
int lookups_under_way();

} // namespace tunnel
