// A management address passes from a program that stops to the one that is started after it.
#pragma once

#include <functional>
#include <optional>
#include <string_view>

#include "common/base/asio.hpp"

namespace tunnel {

// A program that stops answers at its management address until its last visitor has left, which may
// take as long as its grace period. A successor that wants the same address asks for it here: at an
// abstract Unix socket that is named after the address. Only a process of the same user, or of
// root, is heard.
class SuccessorSocket {
public:
    // Opens the socket for the management address `where`. Without one, because another process
    // has that name or the system refuses, the address simply stays in use until the end.
    SuccessorSocket(const asio::any_io_executor& executor, std::string_view where);

    // Answers whoever asks, until `give_up` has given the address up, which it says by true.
    awaitable<void> serve(std::function<bool()> give_up);

private:
    std::optional<asio::posix::stream_descriptor> listening_; // none: nobody can ask
};

// Asks the program that has the management address `where` to give it up. True: it was stopping,
// and has done so. Waits a second at most; for use before a program serves.
bool is_given_up(std::string_view where);

} // namespace tunnel
