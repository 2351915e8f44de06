#include "common/transport/socks5.hpp"

#include <cassert>
#include <cstdint>

#include <fmt/format.h>

namespace tunnel::socks5 {

namespace {

using AnswerIs = ProxyAnswer::Is;

constexpr std::uint8_t version = 5;
constexpr std::uint8_t login_version = 1;
constexpr std::uint8_t without_login = 0;
constexpr std::uint8_t with_password = 2;
constexpr std::uint8_t no_method = 0xff;
constexpr std::uint8_t connect_command = 1;
constexpr std::uint8_t ipv4 = 1;
constexpr std::uint8_t name = 3;
constexpr std::uint8_t ipv6 = 4;

std::uint8_t byte_at(std::string_view bytes, std::size_t place)
{
    return static_cast<std::uint8_t>(bytes[place]);
}

void append_byte(std::string& bytes, std::size_t value)
{
    bytes += static_cast<char>(static_cast<std::uint8_t>(value));
}

void append_with_size(std::string& bytes, std::string_view text)
{
    assert(text.size() <= 255);
    append_byte(bytes, text.size());
    bytes += text;
}

ProxyAnswer wrong_version(std::uint8_t first)
{
    if (first == 'H')
        return {AnswerIs::wrong, 0,
                "it answers as HTTP does, expected http:// in the place of socks5://"};
    return {AnswerIs::wrong, 0, "its answer is not one of SOCKS5"};
}

// RFC 1928, section 6.
std::string words_for(std::uint8_t reply)
{
    switch (reply) {
    case 1:
        return "it answers: general failure";
    case 2:
        return "it answers: not allowed by its rules";
    case 3:
        return "it answers: network unreachable";
    case 4:
        return "it answers: host unreachable";
    case 5:
        return "it answers: connection refused";
    case 6:
        return "it answers: expired on the way";
    case 7:
        return "it answers: it makes no connections for others";
    case 8:
        return "it answers: it does not take this kind of address";
    default:
        return fmt::format("it answers with failure {}", reply);
    }
}

} // namespace

std::string greeting(const ForwardProxy& proxy)
{
    std::string bytes;
    append_byte(bytes, version);
    append_byte(bytes, proxy.has_login() ? 2 : 1);
    append_byte(bytes, without_login);
    if (proxy.has_login())
        append_byte(bytes, with_password);
    return bytes;
}

ProxyAnswer read_method(std::string_view bytes, const ForwardProxy& proxy)
{
    if (!bytes.empty() && byte_at(bytes, 0) != version)
        return wrong_version(byte_at(bytes, 0));
    if (bytes.size() < 2)
        return {};
    const std::uint8_t method = byte_at(bytes, 1);
    if (method == without_login)
        return {AnswerIs::agreed, 2};
    if (method == with_password && proxy.has_login())
        return {AnswerIs::wants_login, 2};
    if (method == no_method)
        return {AnswerIs::login_refused, 0,
                proxy.has_login() ? "it takes no login of this kind" : "it wants a login"};
    return {AnswerIs::wrong, 0, "it chooses a login that was not offered"};
}

std::string login(const ForwardProxy& proxy)
{
    std::string bytes;
    append_byte(bytes, login_version);
    append_with_size(bytes, proxy.user);
    append_with_size(bytes, proxy.password);
    return bytes;
}

ProxyAnswer read_login_answer(std::string_view bytes)
{
    if (!bytes.empty() && byte_at(bytes, 0) != login_version)
        return {AnswerIs::wrong, 0, "its answer to the login is not one of SOCKS5"};
    if (bytes.size() < 2)
        return {};
    if (byte_at(bytes, 1) == 0)
        return {AnswerIs::agreed, 2};
    return {AnswerIs::login_refused, 0, "it refuses the login"};
}

std::string connect_request(const Address& target)
{
    std::string bytes;
    append_byte(bytes, version);
    append_byte(bytes, connect_command);
    append_byte(bytes, 0);
    const std::string host = target.host.empty() ? "localhost" : target.host;
    std::error_code error;
    // A zone means something on this machine alone.
    const auto address = asio::ip::make_address(host.substr(0, host.find('%')), error);
    if (error) {
        append_byte(bytes, name);
        append_with_size(bytes, host);
    } else if (address.is_v4()) {
        append_byte(bytes, ipv4);
        for (const std::uint8_t each : address.to_v4().to_bytes())
            append_byte(bytes, each);
    } else {
        append_byte(bytes, ipv6);
        for (const std::uint8_t each : address.to_v6().to_bytes())
            append_byte(bytes, each);
    }
    append_byte(bytes, target.port >> 8);
    append_byte(bytes, target.port & 0xff);
    return bytes;
}

ProxyAnswer read_reply(std::string_view bytes)
{
    if (!bytes.empty() && byte_at(bytes, 0) != version)
        return wrong_version(byte_at(bytes, 0));
    if (bytes.size() < 2)
        return {};
    if (const std::uint8_t reply = byte_at(bytes, 1); reply != 0)
        return {AnswerIs::refused, 0, words_for(reply)};
    if (bytes.size() < 5) // the size of a name is in the fifth; each kind of address has more
        return {};
    std::size_t address = 0;
    switch (byte_at(bytes, 3)) {
    case ipv4:
        address = 4;
        break;
    case ipv6:
        address = 16;
        break;
    case name:
        address = 1U + byte_at(bytes, 4);
        break;
    default:
        return {AnswerIs::wrong, 0, "its answer has an address of no kind that SOCKS5 knows"};
    }
    const std::size_t size = 4 + address + 2;
    if (bytes.size() < size)
        return {};
    return {AnswerIs::agreed, size};
}

} // namespace tunnel::socks5
