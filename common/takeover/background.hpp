// A program that goes on in the background once it serves.
#pragma once

#include "common/base/fd.hpp"

namespace tunnel {

// For `takeover --background`: whoever waits for the command learns whether it went well.
class Background {
public:
    // Returns in a child process, which has to call is_serving(). The caller's process waits for
    // that, and ends with status 0; with 1 if the child ends before. Call it before any thread is
    // started. Throws std::system_error.
    static Background enter();

    void is_serving();

private:
    explicit Background(Fd to_parent);

    Fd to_parent_;
};

} // namespace tunnel
