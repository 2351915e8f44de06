// The answer to a health check: its status once that is whole, whatever follows, and an answer is
// found no HTTP for good.
#include "origin-proxy/servers/http_status.hpp"
#include "tests/fuzz/input.hpp"

using namespace tunnel;
using namespace tunnel::fuzz;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    const std::string_view bytes = Input(data, size).text();
    std::optional<int> before;
    for (std::size_t end = 0; end <= bytes.size() && end <= largest_http_head; ++end) {
        const auto status = http_status(bytes.substr(0, end));
        require(!before || status == before, "what follows the status does not matter");
        require(!status || *status == 0 || (*status >= 200 && *status <= 599), "a status is one");
        before = status;
    }
    if (before && *before != 0)
        require(bytes.starts_with("HTTP/1.") && bytes.find("\r\n") != std::string_view::npos,
                "a status stands in a line of HTTP");
    return 0;
}
