#include "remote-proxy/options.hpp"

namespace tunnel {

std::optional<int> parse(int argc, const char* const* argv, RemoteOptions& options)
{
    CommandLine line(
        "remote-proxy",
        "Runs on a public server. Lets visitors reach a TCP server on a private machine, "
        "where origin-proxy runs and connects to here.");
    line.add("--control-addr", options.control_address,
             "Where the origin proxy connects to, with its control and data connections",
             CommandLine::Need::required);
    line.add("--outside-addr", options.outside_address,
             "Where visitors connect to; refuses them while no origin proxy is logged in",
             CommandLine::Need::required);
    line.add("--pairing-timeout", options.pairing_timeout,
             "Reset a visitor that was not connected to the origin server for this long; also how "
             "long visitors may still come while the control connection is lost");
    line.add("--max-waiting", options.max_waiting,
             "Reset a visitor at once when this many wait to be connected to the origin server", 1,
             12'000); // so many announcements fit the outbox of a control connection

    line.add(options.common);
    return line.parse(argc, argv);
}

} // namespace tunnel
