#pragma once

namespace tunnel {

// Where the remote proxy is in its life.
struct RunState {
    bool stopping = false;   // no new visitors or origin proxies are let in
    bool stopped = false;    // every task has been told to end
    bool holds_back = false; // visitors are not accepted yet, since the process before this goes on
    bool data_goes_elsewhere = false; // new data connections reach another process
    bool handing_over = false;        // a successor is about to take the addresses
    bool leaving = false;             // it has them, and those who are here are served to the end

    bool is_ending() const { return stopping || leaving; }

    // What another process may do by now is not begun here.
    bool takes_changes() const { return !is_ending() && !handing_over; }
};

} // namespace tunnel
