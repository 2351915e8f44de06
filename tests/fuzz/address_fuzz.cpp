// "host:port": what is read is printed as something that is read as the same.
#include "common/transport/address.hpp"
#include "tests/fuzz/input.hpp"

using namespace tunnel;
using namespace tunnel::fuzz;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    const std::string_view text = Input(data, size).text();
    const auto address = parse_address(text);
    if (!address)
        return 0;
    const std::string printed = to_string(*address);
    require(parse_address(printed) == address, "an address survives being printed");
    require(printed.size() <= text.size(), "an address is printed without more than was read");
    require(std::ranges::all_of(printed, [](unsigned char c) { return c > ' ' && c < 0x7f; }),
            "an address is printable");
    return 0;
}
