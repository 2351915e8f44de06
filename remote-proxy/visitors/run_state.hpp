#pragma once

namespace tunnel {

// Where the remote proxy is in its life.
struct RunState {
    bool stopping = false; // nobody new is let in
    bool stopped = false;  // every task has been told to end
};

} // namespace tunnel
