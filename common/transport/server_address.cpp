#include "common/transport/server_address.hpp"

#include <stdexcept>
#include <utility>

#include <fmt/format.h>
#include <sys/un.h>

#include "common/base/log.hpp"
#include "common/base/refuse_text.hpp"
#include "common/transport/address_hint.hpp"

namespace tunnel {

namespace {

constexpr std::string_view prefix = "unix:";

constexpr std::size_t longest_path = sizeof(sockaddr_un::sun_path) - 1; // a zero byte ends it

[[noreturn]] void refuse(std::string_view text, const std::string& why)
{
    throw std::invalid_argument(fmt::format("\"{}\" {}", log::escape(text), why));
}

} // namespace

ServerAddress::ServerAddress(std::string its_host, std::uint16_t its_port)
    : host(std::move(its_host)), port(its_port)
{
}

ServerAddress::ServerAddress(const Address& address) : host(address.host), port(address.port) {}

ServerAddress ServerAddress::unix_socket(std::string path)
{
    ServerAddress address;
    address.unix_path = std::move(path);
    return address;
}

bool names_unix_socket(std::string_view text)
{
    return text.starts_with(prefix) &&
           (text.size() == prefix.size() || text[prefix.size()] < '0' || text[prefix.size()] > '9');
}

ServerAddress read_server_address(std::string_view text)
{
    if (!names_unix_socket(text)) {
        const auto address = parse_address(text);
        if (!address)
            refuse_text(text, server_address_syntax,
                        hint_for_address(text, AddressForms::tcp_or_unix));
        return *address;
    }
    const std::string_view path = text.substr(prefix.size());
    if (!path.starts_with('/'))
        refuse(text, fmt::format("has no absolute path, expected one such as unix:/run/app.sock{}",
                                 path.empty()
                                     ? std::string()
                                     : fmt::format("; did you mean unix:/{}?", log::escape(path))));
    if (path.find('\0') != std::string_view::npos)
        refuse(text, "has a zero byte, which no path has");
    if (path.size() > longest_path)
        refuse(text, fmt::format("has a path of {} bytes, and {} are the most that the system "
                                 "takes for a Unix socket",
                                 path.size(), longest_path));
    return ServerAddress::unix_socket(std::string(path));
}

std::string to_string(const ServerAddress& address)
{
    return address.is_unix() ? std::string(prefix) + address.unix_path : to_string(address.tcp());
}

} // namespace tunnel
