// Why something ended, was refused or failed: a code for programs, and a sentence for people.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>

namespace tunnel {

// Stands in log lines and events as `code`, and in labels of metrics. docs/operations.md says what
// each means and what to do. The names are public: a new meaning needs a new code.
enum class Code : std::uint8_t {
    // How the connection of a visitor who was served ended.
    closed,
    visitor_reset,
    origin_server_reset,
    origin_side_reset,
    remote_side_reset,
    half_close_timeout,
    idle_timeout,
    // Ends for everybody.
    shutting_down,
    closed_by_management,
    service_closed,
    not_trusted,
    // A visitor is not let in.
    denied,
    not_allowed,
    too_many,
    too_many_per_ip,
    too_many_new_per_ip,
    no_room,
    no_proxy_header,
    foreign_proxy_header,
    unknown_host,
    no_host,
    bad_hello,
    bad_request,
    // A visitor is let in, and not served.
    late,
    origin_refused,
    data_connection_lost,
    no_such_service,
    origin_server_refused,
    origin_server_timeout,
    origin_server_unreachable,
    origin_server_failed,
    bad_answer,
    // The remote proxy answers a request itself.
    login_required,
    no_origin_proxy,
    origin_broken,
    bad_response,
    // A connection to the control address is closed.
    stranger,
    ignored,
    unknown_ticket,
    not_our_protocol,
    protocol_error,
    no_proof,
    handshake_failed,
    // A log-in is rejected, or a service declined.
    no_common_version,
    in_use,
    bad_name,
    cannot_listen,
    removed,
    too_many_changes,
    host_taken,
    host_not_allowed,
    no_certificate,
    // A control connection is lost, or cannot be made.
    goodbye,
    reconnecting,
    heartbeat_timeout,
    connection_lost,
    connection_refused,
    timeout,
    unreachable,
    host_not_found,
    wrong_secret,
    no_encryption,
    cut_short,
    untrusted_certificate,
    certificate_refused,
    // The same, by the HTTP or SOCKS5 proxy that leads out.
    proxy_unreachable,
    proxy_login_refused,
    proxy_refused,
    not_a_proxy,
    // This machine.
    no_descriptors,
    bad_configuration,
    not_saved,
    failed,
};

inline constexpr std::size_t code_count = static_cast<std::size_t>(Code::failed) + 1;

// "origin_server_refused".
std::string_view name_of(Code code);

// nullopt: no code has this name.
std::optional<Code> parse_code(std::string_view name);

// `otherwise` for what has no code of its own.
Code code_of(std::error_code error, Code otherwise = Code::failed);

// What the remote proxy has answered a log-in with; code_of() has the code again.
std::error_code rejected(Code code);

// The same as code_of(), of a connection to an origin server.
Code code_of_origin_server(std::error_code error);

struct Reason {
    Code code{};
    std::string text; // for people

    bool empty() const { return text.empty(); }

    friend bool operator==(const Reason&, const Reason&) = default;
};

} // namespace tunnel
