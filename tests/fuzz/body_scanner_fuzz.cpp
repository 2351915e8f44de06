// Bodies: their ends are the same wherever they are cut and whether or not data is shown, and Beast
// finds the same ones of chunked bodies.
#include <string>

#include "tests/fuzz/head.hpp"

using namespace tunnel;
using namespace tunnel::fuzz;
using State = BodyScanner::State;

namespace {

// Bytes that need not be seen are not shown.
std::size_t skip_through(BodyScanner& scanner, std::string_view bytes)
{
    std::size_t taken = 0;
    while (taken < bytes.size() && scanner.state() == State::more) {
        const std::uint64_t unseen = scanner.unseen();
        if (unseen == 0) {
            taken += scanner.put(bytes.substr(taken, 1));
            continue;
        }
        const std::uint64_t size = std::min<std::uint64_t>(unseen, bytes.size() - taken);
        scanner.skip(size);
        taken += size;
    }
    return taken;
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    Input input(data, size);
    const std::uint8_t choice = input.choice();
    const BodySize body = choice < 192 ? BodySize{BodySize::Is::chunked, 0}
                                       : BodySize{BodySize::Is::length, choice - 192U};
    Pieces pieces{input};
    const std::string_view all = pieces.rest();

    BodyScanner whole(body);
    const std::size_t taken = whole.put(all);
    require(taken <= all.size(), "no more is taken than there is");
    require(taken == all.size() || whole.state() != State::more, "all is taken until the end");
    require(whole.state() == State::more || whole.unseen() == 0, "nothing passes behind the end");
    require(whole.put(all.substr(taken)) == 0 || whole.state() == State::more,
            "nothing is taken behind the end");

    BodyScanner cut(body);
    std::size_t cut_taken = 0;
    while (cut.state() == State::more && !pieces.rest().empty())
        cut_taken += cut.put(pieces.next());
    BodyScanner skipping(body);
    const std::size_t skipped = skip_through(skipping, all);
    require(cut_taken == taken && cut.state() == whole.state() && cut.unseen() == whole.unseen(),
            "where bytes are cut does not matter");
    require(skipped == taken && skipping.state() == whole.state() &&
                skipping.unseen() == whole.unseen(),
            "whether data is shown does not matter");

    if (body.is == BodySize::Is::chunked) {
        const std::string message =
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + std::string(all);
        const std::size_t head = message.size() - all.size();
        require_same_end<true>(std::string_view(message).substr(0, head), body,
                               std::string_view(message).substr(head), false);
    }
    return 0;
}
