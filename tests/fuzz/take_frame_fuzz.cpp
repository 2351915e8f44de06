// Frames out of a string that grows: the same ones, however the bytes come.
#include "common/protocol/wire.hpp"
#include "tests/fuzz/frames.hpp"

using namespace tunnel;
using namespace tunnel::fuzz;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    Pieces pieces(Input(data, size));
    const Found expected =
        find_frames(pieces.rest(), largest_first_frame, all, most_unknown_frames);

    Found found;
    std::string received;
    int unknown = 0;
    try {
        while (!pieces.rest().empty()) {
            received += pieces.next();
            while (const auto frame = take_frame(received, unknown))
                found.frames.push_back(*frame);
        }
        found.end = asio::error::eof;
        require(received == expected.rest, "what is no whole frame yet is left");
    } catch (const std::system_error& error) {
        found.end = error.code();
    }
    require(found == expected, "the same frames are taken as from the whole");
    return 0;
}
