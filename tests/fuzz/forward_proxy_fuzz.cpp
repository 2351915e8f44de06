// The URL of a proxy, and the list of those who are reached without one: what is accepted survives
// being written, and a password is never shown.
#include <stdexcept>

#include "common/transport/forward_proxy.hpp"
#include "common/transport/proxy_exceptions.hpp"
#include "tests/fuzz/input.hpp"

using namespace tunnel;
using namespace tunnel::fuzz;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    const std::string text(Input(data, size).text());
    const std::string masked_text = mask_password(text);
    require(has_password(text) || masked_text == text, "only a password is masked");
    require(mask_password(masked_text) == masked_text, "what is masked has nothing to mask");
    is_proxy_exception(text, "remote.example");
    is_proxy_exception(text, "192.0.2.1");
    is_proxy_exception("remote.example,192.0.2.0/24", text);
    try {
        const ForwardProxy proxy = read_forward_proxy(text);
        require(!proxy.address.host.empty() && proxy.address.port != 0, "a proxy has an address");
        require(proxy.user.size() <= ForwardProxy::longest_login &&
                    proxy.password.size() <= ForwardProxy::longest_login,
                "a login has a bound");
        require(proxy.has_login() || proxy.password.empty(), "a password has a user");
        require(has_password(text) || proxy.password.empty(),
                "a password is seen before it is read");
        if (proxy.has_login())
            return 0; // is not written with the signs that it was read with
        require(read_forward_proxy(to_string(proxy)) == proxy, "a proxy survives being written");
    } catch (const std::invalid_argument&) {
    }
    return 0;
}
