#include "common/options/command.hpp"

#include "common/options/management_options.hpp"

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

std::string objection_to_https(const Command& command, const ManagementOptions& management)
{
    if (command.certificate.empty() != command.key.empty())
        return "--cert and --key belong together: give both or none";
    if (command.wants_https() && !management.address->path.empty())
        return "--https, --ca and --cert want a --management-addr with a port, and not unix:PATH, "
               "where nothing needs to be encrypted";
    return {};
}

std::vector<CommandForm::Part> https_parts(Command& command)
{
    constexpr Completed file = Completed::file;
    return {{"--https",
             "Ask over HTTPS; as if given with one of the next, or with "
             "--management-tls-cert",
             &command.https},
            {"--ca",
             "Authority of the program's certificate, PEM. Without it: the certificate of "
             "--management-tls-cert itself, or else the authorities of the system",
             &command.authority, "FILE", file},
            {"--cert", "Certificate to show to the program, PEM, with its chain",
             &command.certificate, "FILE", file},
            {"--key", "The key of --cert, PEM", &command.key, "FILE", file}};
}

} // namespace tunnel
