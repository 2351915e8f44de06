#include "common/management/options.hpp"

#include <fmt/format.h>
#include <sys/un.h>

#include "common/options.hpp"

namespace tunnel {

namespace {

constexpr std::string_view unix_prefix = "unix:";

// A name other than this one has to be looked up first: ManagementDoor does.
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
        if (path.empty() || path.size() >= sizeof(sockaddr_un::sun_path) ||
            path.find('\0') != std::string_view::npos)
            return std::nullopt;
        return ManagementAddress{std::string(path)};
    }
    auto address = parse_address(text);
    if (!address)
        return std::nullopt;
    return ManagementAddress{{}, std::move(*address)};
}

std::string to_string(const ManagementAddress& address)
{
    return address.path.empty() ? to_string(address.address)
                                : std::string(unix_prefix) + address.path;
}

std::vector<std::filesystem::path> ManagementOptions::files() const
{
    std::vector<std::filesystem::path> given;
    for (const std::string& each :
         {token_file, read_token_file, certificate.certificate, certificate.key, client_ca_file}) {
        if (!each.empty())
            given.emplace_back(each);
    }
    return given;
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

std::string way_out_for_open_address(std::string_view where)
{
    return fmt::format("--management-addr {} is for other machines too, and without a token "
                       "everybody there could look and steer: give --management-token-file or "
                       "--management-read-token-file, or --management-tls-client-ca, or listen at "
                       "unix:PATH or 127.0.0.1:PORT",
                       where);
}

// The flags of both programs.
void CommandLine::add(ManagementOptions& options)
{
    add_text("--management-addr",
             "Where to answer HTTP requests about this program: unix:PATH, or an address; one that "
             "other machines reach only with a token or clients' certificates",
             "unix:PATH|HOST:PORT", "", std::string(management_address_syntax), Need::optional,
             [&options](const std::string& text) {
                 options.address = parse_management_address(text);
                 return options.address.has_value();
             });
    add_file("--management-token-file", options.token_file,
             "File with the token that such requests must have, as Authorization: Bearer TOKEN");
    add_file("--management-read-token-file", options.read_token_file,
             "File with a token that is good for looking only");
    add_file("--management-tls-cert", options.certificate.certificate,
             "Answer over TLS 1.3 with this certificate, PEM, with its chain");
    add_file("--management-tls-key", options.certificate.key, "The key of it, PEM");
    add_file("--management-tls-client-ca", options.client_ca_file,
             "Clients need a certificate of this authority, PEM; who has one may do everything, if "
             "there are no tokens too");
}

} // namespace tunnel
