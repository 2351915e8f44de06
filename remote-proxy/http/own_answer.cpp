#include "remote-proxy/http/own_answer.hpp"

#include <utility>

namespace tunnel {

OwnAnswer login_required(std::string realm)
{
    return {
        401, Code::login_required, "this site needs a name and a password", {}, std::move(realm)};
}

OwnAnswer too_many_wrong_logins(std::chrono::seconds retry_after)
{
    return {429,
            Code::too_many,
            "too many wrong names or passwords came from your address",
            retry_after,
            {}};
}

OwnAnswer logins_are_busy()
{
    constexpr std::chrono::seconds soon(1);
    return {503, Code::no_room, "the password cannot be checked now", soon, {}};
}

} // namespace tunnel
