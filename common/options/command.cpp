#include "common/options/command.hpp"

namespace tunnel {

CommandForm takeover_form(Command& command)
{
    return {std::string(takeover_word),
            "starts a new process in the place of the one that runs and has the same "
            "--takeover-socket; visitors do not notice",
            {{"--background", "Go on in the background, and return once it serves",
              &command.background}},
            "Exit status: with --background 0 once the new process serves, 1 if it does not, and "
            "then the one that runs goes on; 2 after a wrong command line or configuration."};
}

} // namespace tunnel
