// The three answers of a SOCKS5 proxy: parts of an answer are incomplete, what follows one does not
// matter, and nobody is waited for without a bound.
#include "common/transport/socks5.hpp"
#include "tests/fuzz/input.hpp"

using namespace tunnel;
using namespace tunnel::fuzz;

namespace {

using Is = ProxyAnswer::Is;

template <class Read>
void check(const Read& read, std::string_view bytes)
{
    const ProxyAnswer whole = read(bytes);
    ProxyAnswer last = read(std::string_view());
    std::size_t seen = 0;
    while (seen < bytes.size() && last.is == Is::incomplete)
        last = read(bytes.substr(0, ++seen));
    require(last == whole, "it does not matter how the bytes of an answer come");
    const bool is_good = whole.is == Is::agreed || whole.is == Is::wants_login;
    require((whole.size > 0) == is_good, "an answer that is good has a size");
    require(!is_good || whole.size == seen, "no byte behind an answer is needed");
    require(whole.is != Is::incomplete || bytes.size() < socks5::largest_answer,
            "an answer has a bound");
    require(whole.text.empty() == (is_good || whole.is == Is::incomplete),
            "what is no agreement has words");
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    const std::string_view bytes = Input(data, size).text();
    for (const bool with_login : {false, true}) {
        ForwardProxy proxy;
        if (with_login)
            proxy.user = "ann";
        check([&proxy](std::string_view part) { return socks5::read_method(part, proxy); }, bytes);
    }
    check(socks5::read_login_answer, bytes);
    check(socks5::read_reply, bytes);
    return 0;
}
