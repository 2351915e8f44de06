// Hands a management address from a stopping program to the one started after it.
#pragma once

#include <functional>
#include <optional>
#include <string_view>

#include "common/base/asio.hpp"
#include "common/transport/given_sockets.hpp"

namespace tunnel {

// A stopping program answers at its management address until its last visitor has left, which may
// take the whole grace period. A successor that wants the same address asks here: at an abstract
// Unix socket named after the address. Only processes of the same user or of root are heard.
class SuccessorSocket {
public:
    // Opens the socket for the management address `where`, or takes the one that was given. Without
    // one, because another process has that name or the system refuses, the address simply stays in
    // use until the end.
    SuccessorSocket(const asio::any_io_executor& executor, std::string_view where,
                    GivenSockets& given);

    // Answers requests until `give_up` returns true: the address is given up.
    awaitable<void> serve(std::function<bool()> give_up);

    // -1: there is none.
    int descriptor() { return listening_ ? listening_->native_handle() : -1; }

    // Another process that shares it answers from now on.
    void leave() { listening_.reset(); }

private:
    std::optional<asio::posix::stream_descriptor> listening_; // none: nobody can ask
};

// Asks the program that has the management address `where` to give it up. True: it was stopping,
// and has done so. Waits a second at most; for use before a program serves.
bool is_given_up(std::string_view where);

} // namespace tunnel
