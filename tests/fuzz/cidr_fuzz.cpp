// A network of --allow and --deny: what is read is printed as something that is read as the same,
// and what is not is told in one line, whatever it was.
#include <stdexcept>
#include <string>

#include "common/transport/cidr.hpp"
#include "tests/fuzz/input.hpp"

using namespace tunnel;
using namespace tunnel::fuzz;

namespace {

bool is_printable(std::string_view text)
{
    return std::ranges::all_of(text, [](unsigned char c) { return c >= ' ' && c < 0x7f; });
}

void check(const Cidr& network)
{
    const std::string printed = network.text();
    require(is_printable(printed) && printed.find(' ') == std::string::npos,
            "a network is one printable word");
    require(parse_cidr(printed) == network, "a network survives being printed");

    const auto first = asio::ip::make_address(printed.substr(0, printed.find('/')));
    require(network.starts_at(first), "a network is named by its first address");
    require(network.contains(first), "a network contains its first address");
    require(contains({network}, first), "a network among several does too");
    // An IPv4 address may also come in over a dual-stack socket.
    if (first.is_v4()) {
        const auto mapped = asio::ip::make_address_v6(asio::ip::v4_mapped, first.to_v4());
        require(network.contains(mapped), "a network contains its first address however it came");
    }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    const std::string_view text = Input(data, size).text();
    try {
        check(parse_cidr(text));
    } catch (const std::invalid_argument& error) {
        require(is_printable(error.what()), "what is wrong is told in one printable line");
    }
    return 0;
}
