#include "common/options/other_program.hpp"

#include <fmt/format.h>

namespace tunnel {

namespace {

// With a space around each. A test compares them with what the programs describe.
constexpr std::string_view remote_keys =
    " accept-proxy-from access-log acme-webroot allow allow-hosts allow-ports certificates "
    "control-addr deny domain error-pages foreign-proxy-header http-addr https-addr https-redirect "
    "max-connections "
    "max-connections-per-ip max-new-per-second-per-ip max-waiting origins outside-addr "
    "pairing-timeout secrets-file state-file tls-client-ca trusted ";
constexpr std::string_view origin_keys =
    " basic-auth-file connect-through connect-through-password-file dial-timeout health-check "
    "health-check-interval host-header max-retries name "
    "origin-server-addr parked-connections proxy-protocol remote-proxies remote-proxy-addr reuse "
    "tls-ca tls-insecure tls-server-name ";
constexpr std::string_view remote_service_keys =
    " accept-proxy-from allow balance deny foreign-proxy-header max-connections "
    "max-connections-per-ip max-new-per-second-per-ip origins required trusted ";
constexpr std::string_view origin_service_keys =
    " health-check health-check-failures health-check-interval health-check-successes "
    "health-check-timeout origin-server-addr proxy-protocol reuse ";
constexpr std::string_view remote_commands = " complete-names drain resume visitors ";

bool has(std::string_view words, std::string_view word)
{
    return !word.empty() && word.find(' ') == std::string_view::npos &&
           words.find(fmt::format(" {} ", word)) != std::string_view::npos;
}

} // namespace

std::string_view only_program_with_key(std::string_view key)
{
    if (has(remote_keys, key))
        return remote_proxy_name;
    return has(origin_keys, key) ? origin_proxy_name : std::string_view();
}

std::string_view only_program_with_service_key(std::string_view key)
{
    if (has(remote_service_keys, key))
        return remote_proxy_name;
    return has(origin_service_keys, key) ? origin_proxy_name : std::string_view();
}

std::string_view only_program_with_command(std::string_view word)
{
    return has(remote_commands, word) ? remote_proxy_name : std::string_view();
}

} // namespace tunnel
