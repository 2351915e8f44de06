#include "common/net/proxy_header.hpp"

#include <string_view>

#include <fmt/format.h>

namespace tunnel {

namespace {

using namespace std::string_view_literals;

bool both_v4(const tcp::endpoint& one, const tcp::endpoint& other)
{
    return one.address().is_v4() && other.address().is_v4();
}

asio::ip::address_v6 v6_of(const tcp::endpoint& endpoint)
{
    const asio::ip::address address = endpoint.address();
    return address.is_v6() ? address.to_v6()
                           : asio::ip::make_address_v6(asio::ip::v4_mapped, address.to_v4());
}

void append_number(std::string& bytes, std::size_t number)
{
    bytes += static_cast<char>(number >> 8 & 0xff);
    bytes += static_cast<char>(number & 0xff);
}

template <class Address>
void append_address(std::string& bytes, const Address& address)
{
    for (const unsigned char byte : address.to_bytes())
        bytes += static_cast<char>(byte);
}

} // namespace

std::string proxy_header_v1(const tcp::endpoint& visitor, const tcp::endpoint& outside)
{
    if (both_v4(visitor, outside))
        return fmt::format("PROXY TCP4 {} {} {} {}\r\n", visitor.address().to_string(),
                           outside.address().to_string(), visitor.port(), outside.port());
    return fmt::format("PROXY TCP6 {} {} {} {}\r\n", v6_of(visitor).to_string(),
                       v6_of(outside).to_string(), visitor.port(), outside.port());
}

std::string proxy_header_v2(const tcp::endpoint& visitor, const tcp::endpoint& outside)
{
    std::string bytes("\r\n\r\n\0\r\nQUIT\n\x21"sv);
    if (both_v4(visitor, outside)) {
        bytes += '\x11';
        append_number(bytes, 12);
        append_address(bytes, visitor.address().to_v4());
        append_address(bytes, outside.address().to_v4());
    } else {
        bytes += '\x21';
        append_number(bytes, 36);
        append_address(bytes, v6_of(visitor));
        append_address(bytes, v6_of(outside));
    }
    append_number(bytes, visitor.port());
    append_number(bytes, outside.port());
    return bytes;
}

} // namespace tunnel
