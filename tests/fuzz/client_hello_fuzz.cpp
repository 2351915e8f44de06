// The identities that a hello offers: each lies within the extension, and all in their order.
#include "common/security/client_hello.hpp"
#include "tests/fuzz/input.hpp"

using namespace tunnel;
using namespace tunnel::fuzz;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    constexpr std::size_t most = 4;
    const auto* at = reinterpret_cast<const char*>(data);
    const char* const end = at + size;
    const auto identities = offered_identities({data, size}, most);
    require(identities.size() <= most, "no more than the limit are read");
    for (const std::string_view each : identities) {
        require(each.data() >= at, "they come in their order");
        require(each.data() + each.size() <= end, "each lies within the extension");
        at = each.data() + each.size();
    }
    return 0;
}
