// What the remote proxy itself answers to a request.
#pragma once

#include <chrono>
#include <string>

#include "common/base/code.hpp"

namespace tunnel {

// Only what it says; ErrorPages makes a Response of it.
struct OwnAnswer {
    unsigned status = 404;
    Code code = Code::unknown_host;
    // For people, "no server has this name here"; a full stop is put behind it. No byte of a
    // visitor's is in it.
    std::string message{};
    // When it may go better, told as Retry-After; 0: not said.
    std::chrono::seconds retry_after{0};
    // Of a 401: what the login is for, the realm, which browsers show. A service's name.
    std::string realm{};
};

// To one who has no login yet, or a wrong one.
OwnAnswer login_required(std::string realm);

// To one from whose address too many logins were wrong.
OwnAnswer too_many_wrong_logins(std::chrono::seconds retry_after);

// To one whose login cannot be checked now: too many are waiting for that.
OwnAnswer logins_are_busy();

} // namespace tunnel
