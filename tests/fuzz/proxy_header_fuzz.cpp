// A header of the PROXY protocol: only its own bytes are taken, not before the last of them is
// there, and what it tells survives being written, in either version.
#include "common/transport/proxy_header.hpp"
#include "tests/fuzz/input.hpp"

using namespace tunnel;
using namespace tunnel::fuzz;

namespace {

bool is(NoProxyHeader what, std::string_view bytes)
{
    const auto decoded = decode_proxy_header(bytes);
    const auto* const none = std::get_if<NoProxyHeader>(&decoded);
    return none != nullptr && *none == what;
}

void check_rewritten(const std::string& bytes, const ProxyAddresses& addresses)
{
    const auto decoded = decode_proxy_header(bytes);
    const auto* const header = std::get_if<ProxyHeader>(&decoded);
    require(header != nullptr && header->size == bytes.size(), "what is written is a header");
    require(header->addresses == addresses, "what a header tells survives being written");
}

void check(const ProxyHeader& header, std::string_view bytes)
{
    require(header.size > 0 && header.size <= bytes.size(), "a header is a part of the bytes");
    require(header.size <= largest_proxy_header, "a header has a bound");
    for (std::size_t size = 0; size < header.size; ++size)
        require(is(NoProxyHeader::not_whole, bytes.substr(0, size)), "a part of a header is none");
    const auto alone = decode_proxy_header(bytes.substr(0, header.size));
    require(alone == decode_proxy_header(bytes), "what follows a header does not matter");
    if (!header.addresses)
        return;
    const auto& [visitor, outside] = *header.addresses;
    const std::string line = proxy_header_v1(visitor, outside);
    require(line.size() <= largest_proxy_header_v1, "a line has a bound");
    check_rewritten(line, *header.addresses);
    check_rewritten(proxy_header_v2(visitor, outside), *header.addresses);
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    const std::string_view bytes = Input(data, size).text();
    const auto decoded = decode_proxy_header(bytes);
    const ProxySignature signature = proxy_signature(bytes);
    require(signature == proxy_signature(bytes.substr(0, 12)) &&
                (signature == ProxySignature::none) == is(NoProxyHeader::not_one, bytes),
            "the first twelve bytes say whether a header may follow");
    if (const auto* const header = std::get_if<ProxyHeader>(&decoded)) {
        check(*header, bytes);
        return 0;
    }
    const NoProxyHeader none = std::get<NoProxyHeader>(decoded);
    if (none == NoProxyHeader::not_whole)
        require(bytes.size() < largest_proxy_header, "nobody is waited for without a bound");
    else // what is wrong does not become right
        require(is(none, std::string(bytes) + "\r\n"), "what follows does not mend a header");
    return 0;
}
