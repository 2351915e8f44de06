#include "common/transport/cannot_listen.hpp"

#include <cerrno>
#include <fstream>

#include <fmt/format.h>

#include "common/base/error.hpp"

namespace tunnel {

namespace {

// Below it a port needs CAP_NET_BIND_SERVICE.
unsigned first_free_port()
{
    unsigned first = 1024;
    std::ifstream("/proc/sys/net/ipv4/ip_unprivileged_port_start") >> first;
    return first == 0 ? 1024 : first; // 0: it was not read, since none could be refused then
}

} // namespace

void cannot_listen(std::error_code error, const std::string& where, std::uint16_t port)
{
    std::string what = fmt::format("cannot listen on {}", where);
    // By its number: asio has a category of its own.
    if (error.value() == EACCES && port != 0 && port < first_free_port())
        what += fmt::format(" (a port below {} needs the capability CAP_NET_BIND_SERVICE at the "
                            "start: `setcap cap_net_bind_service=+ep PROGRAM`, or "
                            "AmbientCapabilities=CAP_NET_BIND_SERVICE in a unit of systemd, or "
                            "start as root with --user; or let everybody have it: `sysctl "
                            "net.ipv4.ip_unprivileged_port_start={}`)",
                            first_free_port(), port);
    fail(error, what);
}

} // namespace tunnel
