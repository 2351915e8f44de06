#include "origin-proxy/service_options.hpp"

#include "common/text_values.hpp"

namespace tunnel {

ProxyProtocol read_proxy_protocol(std::string_view text)
{
    constexpr Choices<ProxyProtocol, 3> protocols{
        {{"off", ProxyProtocol::off}, {"v1", ProxyProtocol::v1}, {"v2", ProxyProtocol::v2}}};
    return read_choice(protocols, text, "off, v1 or v2");
}

} // namespace tunnel
