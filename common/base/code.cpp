#include "common/base/code.hpp"

#include "common/base/asio.hpp"
#include "common/base/error.hpp"

namespace tunnel {

namespace {

Code code_of_our(Errc errc)
{
    switch (errc) {
    case Errc::not_our_protocol:
        return Code::not_our_protocol;
    case Errc::malformed_frame:
    case Errc::unexpected_frame:
    case Errc::too_many_unknown:
    case Errc::no_data_in_records:
        return Code::protocol_error;
    case Errc::peer_takes_nothing:
        return Code::connection_lost;
    case Errc::heartbeat_timeout:
        return Code::heartbeat_timeout;
    case Errc::unknown_ticket:
    case Errc::no_such_data:
        return Code::unknown_ticket;
    case Errc::cannot_resolve:
        return Code::host_not_found;
    case Errc::closed_by_peer:
        return Code::connection_lost;
    case Errc::wrong_secret:
        return Code::wrong_secret;
    case Errc::no_encryption:
        return Code::no_encryption;
    case Errc::cut_short:
        return Code::cut_short;
    case Errc::untrusted_certificate:
        return Code::untrusted_certificate;
    case Errc::certificate_refused:
        return Code::certificate_refused;
    case Errc::handshake_failed:
        return Code::handshake_failed;
    case Errc::no_proof:
        return Code::no_proof;
    case Errc::no_proxy_header:
    case Errc::malformed_proxy_header:
        return Code::no_proxy_header;
    case Errc::proxy_unreachable:
        return Code::proxy_unreachable;
    case Errc::proxy_login_refused:
        return Code::proxy_login_refused;
    case Errc::proxy_refused:
        return Code::proxy_refused;
    case Errc::not_a_proxy:
        return Code::not_a_proxy;
    }
    return Code::failed;
}

struct Rejections final : std::error_category {
    const char* name() const noexcept override { return "rejected"; }

    std::string message(int) const override { return "rejected by the remote proxy"; }
};

const Rejections rejections;

} // namespace

std::error_code rejected(Code code)
{
    return {static_cast<int>(code), rejections};
}

std::string_view name_of(Code code)
{
    switch (code) {
    case Code::closed:
        return "closed";
    case Code::visitor_reset:
        return "visitor_reset";
    case Code::origin_server_reset:
        return "origin_server_reset";
    case Code::origin_side_reset:
        return "origin_side_reset";
    case Code::remote_side_reset:
        return "remote_side_reset";
    case Code::half_close_timeout:
        return "half_close_timeout";
    case Code::idle_timeout:
        return "idle_timeout";
    case Code::shutting_down:
        return "shutting_down";
    case Code::closed_by_management:
        return "closed_by_management";
    case Code::service_closed:
        return "service_closed";
    case Code::not_trusted:
        return "not_trusted";
    case Code::denied:
        return "denied";
    case Code::not_allowed:
        return "not_allowed";
    case Code::too_many:
        return "too_many";
    case Code::too_many_per_ip:
        return "too_many_per_ip";
    case Code::too_many_new_per_ip:
        return "too_many_new_per_ip";
    case Code::no_room:
        return "no_room";
    case Code::no_proxy_header:
        return "no_proxy_header";
    case Code::foreign_proxy_header:
        return "foreign_proxy_header";
    case Code::unknown_host:
        return "unknown_host";
    case Code::no_host:
        return "no_host";
    case Code::bad_hello:
        return "bad_hello";
    case Code::bad_request:
        return "bad_request";
    case Code::late:
        return "late";
    case Code::origin_refused:
        return "origin_refused";
    case Code::data_connection_lost:
        return "data_connection_lost";
    case Code::no_such_service:
        return "no_such_service";
    case Code::origin_server_refused:
        return "origin_server_refused";
    case Code::origin_server_timeout:
        return "origin_server_timeout";
    case Code::origin_server_unreachable:
        return "origin_server_unreachable";
    case Code::origin_server_failed:
        return "origin_server_failed";
    case Code::bad_answer:
        return "bad_answer";
    case Code::login_required:
        return "login_required";
    case Code::no_origin_proxy:
        return "no_origin_proxy";
    case Code::origin_broken:
        return "origin_broken";
    case Code::bad_response:
        return "bad_response";
    case Code::stranger:
        return "stranger";
    case Code::ignored:
        return "ignored";
    case Code::unknown_ticket:
        return "unknown_ticket";
    case Code::not_our_protocol:
        return "not_our_protocol";
    case Code::protocol_error:
        return "protocol_error";
    case Code::no_proof:
        return "no_proof";
    case Code::handshake_failed:
        return "handshake_failed";
    case Code::no_common_version:
        return "no_common_version";
    case Code::in_use:
        return "in_use";
    case Code::bad_name:
        return "bad_name";
    case Code::cannot_listen:
        return "cannot_listen";
    case Code::removed:
        return "removed";
    case Code::too_many_changes:
        return "too_many_changes";
    case Code::host_taken:
        return "host_taken";
    case Code::host_not_allowed:
        return "host_not_allowed";
    case Code::no_certificate:
        return "no_certificate";
    case Code::goodbye:
        return "goodbye";
    case Code::reconnecting:
        return "reconnecting";
    case Code::heartbeat_timeout:
        return "heartbeat_timeout";
    case Code::connection_lost:
        return "connection_lost";
    case Code::connection_refused:
        return "connection_refused";
    case Code::timeout:
        return "timeout";
    case Code::unreachable:
        return "unreachable";
    case Code::host_not_found:
        return "host_not_found";
    case Code::wrong_secret:
        return "wrong_secret";
    case Code::no_encryption:
        return "no_encryption";
    case Code::cut_short:
        return "cut_short";
    case Code::untrusted_certificate:
        return "untrusted_certificate";
    case Code::certificate_refused:
        return "certificate_refused";
    case Code::proxy_unreachable:
        return "proxy_unreachable";
    case Code::proxy_login_refused:
        return "proxy_login_refused";
    case Code::proxy_refused:
        return "proxy_refused";
    case Code::not_a_proxy:
        return "not_a_proxy";
    case Code::no_descriptors:
        return "no_descriptors";
    case Code::bad_configuration:
        return "bad_configuration";
    case Code::not_saved:
        return "not_saved";
    case Code::failed:
        return "failed";
    }
    return "failed";
}

std::optional<Code> parse_code(std::string_view name)
{
    for (std::size_t i = 0; i < code_count; ++i) {
        if (const auto code = static_cast<Code>(i); name_of(code) == name)
            return code;
    }
    return std::nullopt;
}

Code code_of(std::error_code error, Code otherwise)
{
    if (error.category() == rejections)
        return static_cast<Code>(error.value());
    if (error.category() == error_category())
        return code_of_our(static_cast<Errc>(error.value()));
    if (error.category() == asio::error::get_netdb_category() ||
        error.category() == asio::error::get_addrinfo_category())
        return Code::host_not_found;
    if (error == asio::error::eof)
        return Code::connection_lost;
    // Asio's category of the same numbers compares with few of the standard's.
    if (error.category() == asio::error::get_system_category())
        error = {error.value(), std::generic_category()};
    if (error == std::errc::connection_reset || error == std::errc::broken_pipe ||
        error == std::errc::connection_aborted)
        return Code::connection_lost;
    if (error == std::errc::connection_refused)
        return Code::connection_refused;
    if (error == std::errc::timed_out)
        return Code::timeout;
    if (error == std::errc::host_unreachable || error == std::errc::network_unreachable ||
        error == std::errc::network_down)
        return Code::unreachable;
    if (error == std::errc::too_many_files_open ||
        error == std::errc::too_many_files_open_in_system || error == std::errc::no_buffer_space ||
        error == std::errc::not_enough_memory)
        return Code::no_descriptors;
    if (error == std::errc::address_in_use || error == std::errc::address_not_available)
        return Code::cannot_listen;
    return otherwise;
}

Code code_of_origin_server(std::error_code error)
{
    const Code code = code_of(error);
    switch (code) {
    case Code::connection_refused:
        return Code::origin_server_refused;
    case Code::timeout:
        return Code::origin_server_timeout;
    case Code::unreachable:
        return Code::origin_server_unreachable;
    case Code::host_not_found:
    case Code::no_descriptors:
        return code;
    default:
        return Code::origin_server_failed;
    }
}

} // namespace tunnel
