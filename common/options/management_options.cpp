#include "common/options/management_options.hpp"

#include <utility>

#include <fmt/format.h>
#include <sys/un.h>

#include "common/options/value_readers.hpp"
#include "common/transport/address_hint.hpp"

namespace tunnel {

namespace {

constexpr std::string_view unix_prefix = "unix:";

constexpr std::size_t longest_unix_path = sizeof(sockaddr_un::sun_path); // with a zero byte

// A name other than this one has to be looked up first: ManagementListener does.
bool may_be_loopback(const std::string& host)
{
    std::error_code is_name;
    const auto address = asio::ip::make_address(host, is_name);
    return is_name ? !host.empty() : address.is_loopback();
}

} // namespace

std::optional<ManagementAddress> parse_management_address(std::string_view text)
{
    if (text.starts_with(unix_prefix)) {
        const std::string_view path = text.substr(unix_prefix.size());
        if (path.empty() || path.size() >= longest_unix_path ||
            path.find('\0') != std::string_view::npos)
            return std::nullopt;
        return ManagementAddress{std::string(path)};
    }
    auto address = parse_address(text);
    if (!address)
        return std::nullopt;
    return ManagementAddress{{}, std::move(*address)};
}

ManagementAddress read_management_address(std::string_view text)
{
    auto address = parse_management_address(text);
    if (address)
        return std::move(*address);
    std::string hint = hint_for_address(text, AddressForms::tcp_or_unix);
    // Where all may connect there must be a token too, so that is not what is proposed.
    constexpr std::string_view every = "did you mean :";
    if (hint.starts_with(every))
        hint.insert(every.size() - 1, "127.0.0.1");
    if (text.starts_with(unix_prefix) && text.size() - unix_prefix.size() >= longest_unix_path)
        hint = fmt::format("a path of a Unix socket has at most {} bytes", longest_unix_path - 1);
    refuse_text(text, management_address_syntax, hint);
}

std::string to_string(const ManagementAddress& address)
{
    return address.path.empty() ? to_string(address.address)
                                : std::string(unix_prefix) + address.path;
}

std::filesystem::path ManagementOptions::socket_file() const
{
    return address ? address->path : std::string();
}

std::string ManagementOptions::contradiction() const
{
    if (!address && has_tokens())
        return "--management-token-file and --management-read-token-file are of no use without "
               "--management-addr";
    const bool has_certificates = certificate.given() || !client_ca_file.empty();
    if (has_certificates && (!address || !address->path.empty()))
        return "--management-tls-cert, --management-tls-key and --management-tls-client-ca want a "
               "--management-addr with a port";
    if (certificate.certificate.empty() != certificate.key.empty())
        return "--management-tls-cert and --management-tls-key belong together: give both or none";
    if (!client_ca_file.empty() && !certificate.given())
        return "--management-tls-client-ca wants a certificate of this program too: give "
               "--management-tls-cert and --management-tls-key";
    if (address && address->path.empty() && !knows_clients() &&
        !may_be_loopback(address->address.host))
        return way_out_for_open_address(to_string(*address));
    return {};
}

std::string ManagementOptions::objection_to_asking() const
{
    if (!address)
        return "--management-addr is required, with what the program that is to be asked has there "
               "itself; or --config with its file, if it is in that. A program without it cannot "
               "be "
               "asked";
    if (address->path.empty() && address->address.port == 0)
        return fmt::format("--management-addr {} is any free port: give the one that the log of "
                           "the program says, in the line \"management\"",
                           to_string(*address));
    return {};
}

std::string way_out_for_open_address(std::string_view where)
{
    return fmt::format(
        "--management-addr {} can be reached from other machines, and without "
        "a token anyone there could see and change everything: give --management-token-file or "
        "--management-read-token-file, or --management-tls-client-ca, or listen at "
        "unix:PATH or 127.0.0.1:PORT",
        where);
}

OptionList describe(ManagementOptions& options)
{
    const ValueReader address = as_text("unix:PATH|HOST:PORT", [&options](const std::string& text) {
        options.address = read_management_address(text);
    });
    const Trait file = Trait::reloads | Trait::never_empty;
    OptionList all;
    append(all, "Management",
           {{"management-addr", address,
             "Where to answer HTTP requests about this program: unix:PATH, or an address; one that "
             "other machines reach only with a token or clients' certificates",
             Trait::common | Trait::for_commands},
            {"management-token-file", as_file(options.token_file),
             "File with the token that such requests must have, as Authorization: Bearer TOKEN",
             file | Trait::for_commands},
            {"management-read-token-file", as_file(options.read_token_file),
             "File with a read-only token", file | Trait::for_commands},
            {"management-tls-cert", as_file(options.certificate.certificate),
             "Answer over TLS 1.3 with this certificate, PEM, with its chain", file},
            {"management-tls-key", as_file(options.certificate.key),
             "The key of --management-tls-cert, PEM", file},
            {"management-tls-client-ca", as_file(options.client_ca_file),
             "Clients need a certificate of this authority, PEM; anyone who has one may do "
             "everything, unless there are tokens as well",
             file}});
    return all;
}

} // namespace tunnel
