// What the remote proxy is told of one service, and of who may serve what.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/transport/address.hpp"
#include "common/transport/http_settings.hpp"
#include "common/transport/service_kind.hpp"
#include "remote-proxy/options/service_rules.hpp"

namespace tunnel {

// Which of the origin proxies that serve a service gets its next visitor. One whose origin server
// refused a visitor lately comes after all others, whatever the balance, and after that one whose
// health checks fail.
enum class Balance : std::uint8_t {
    least,       // the one with the fewest visitors
    round_robin, // each in turn
    first,       // the one that is named first in `origins`, else that came first
};

struct RemoteService {
    std::string name;
    Address outside_address; // of one with names only if it is a tunnel, which has its own front
    std::vector<std::string>
        origins{}; // names of those who may serve it; empty: all who are trusted
    Balance balance = Balance::least;
    ServiceRules rules{};
    bool required = false;     // the program is not ready before somebody serves it
    bool is_exclusive = false; // one origin proxy has it at a time
    std::string offered_as{};  // the origin proxies' name for it; empty: the same
    bool wants_header =
        false;           // of the PROXY protocol, of origin proxies that send none by themselves
    PublicNames names{}; // whole ones
    PublicNames asked_for{};       // as its origin proxy has written them
    bool speaks_http = false;      // visitors at its own address do
    HttpSettings http{};           // what the options say; see RegisteredService::http
    std::string basic_auth_file{}; // whose lines are the logins

    // What origin proxies call it.
    const std::string& offer() const { return offered_as.empty() ? name : offered_as; }

    // Its visitors speak HTTP with this program, at an address of its own or one that it shares.
    bool is_http() const { return speaks_http || is_http_kind(names.kind); }

    friend bool operator==(const RemoteService&, const RemoteService&) = default;
};

// The name of every origin proxy, where all have the same secret.
inline constexpr const char* only_origin_name = "origin";

// Whether an origin proxy may serve it that has this credential, by its name.
bool may_serve(const RemoteService& service, std::string_view credential);

// Ports `first` to `last`, both included.
struct PortRange {
    std::uint16_t first = 0;
    std::uint16_t last = 0;

    bool contains(std::uint16_t port) const { return port >= first && port <= last; }

    friend bool operator==(const PortRange&, const PortRange&) = default;
};

// How a service of the remote proxy is written on the command line.
inline constexpr std::string_view remote_service_syntax = "NAME=[HOST]:PORT|NAME=KIND://HOST";

// Throws std::invalid_argument that says what is wrong.
RemoteService parse_remote_service(std::string_view text);

// 1 to 64 letters, digits, dots, dashes and underscores, with the number of one of several ports
// behind it, perhaps: "games[12]".
bool is_service_name(std::string_view name);

// The ports on which an origin proxy may open services of its own; empty: none.
using PortRanges = std::vector<PortRange>;

} // namespace tunnel
