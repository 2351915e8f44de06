// The answer of an HTTP proxy to CONNECT: it does not matter how its bytes come, only its own bytes
// are taken, and nobody is waited for without a bound.
#include "common/http/http_connect.hpp"
#include "common/http/message_head.hpp"
#include "tests/fuzz/input.hpp"

using namespace tunnel;
using namespace tunnel::fuzz;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    using Is = ProxyAnswer::Is;
    const std::string_view bytes = Input(data, size).text();
    const ProxyAnswer whole = HttpConnectAnswer().read(bytes);
    HttpConnectAnswer bytewise;
    ProxyAnswer last;
    std::size_t seen = 0;
    while (seen < bytes.size() && last.is == Is::incomplete)
        last = bytewise.read(bytes.substr(0, ++seen));
    require(last == whole, "it does not matter how the bytes of an answer come");
    require(whole.is != Is::wants_login, "HTTP has its login in the request");
    require((whole.size > 0) == (whole.is == Is::agreed), "an answer that agrees has a size");
    require(whole.is != Is::agreed || whole.size == seen, "no byte behind an answer is needed");
    require(whole.is != Is::incomplete || bytes.size() < largest_head, "an answer has a bound");
    require(whole.text.size() < 200, "what is said of an answer has a bound");
    return 0;
}
