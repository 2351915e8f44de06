#pragma once

namespace tunnel {

// Where the remote proxy is in its life.
struct RunState {
    bool stopping = false; // no new visitors or origin proxies are let in
    bool stopped = false;  // every task has been told to end
};

} // namespace tunnel
