// Frames off a socket, by both that read them: the same ones, however the bytes come.
#include <limits>

#include "common/protocol/wire.hpp"
#include "tests/fuzz/feed.hpp"
#include "tests/fuzz/frames.hpp"

using namespace tunnel;
using namespace tunnel::fuzz;

namespace {

awaitable<void> read_many_at_once(AsyncChannel& channel, Found& found)
{
    FrameReader reader(channel);
    try {
        for (;;) {
            Frame frame = co_await reader.next();
            found.frames.push_back(std::move(frame));
        }
    } catch (const std::system_error& error) {
        found.end = error.code();
    }
}

awaitable<void> read_one_by_one(AsyncChannel& channel, Found& found)
{
    try {
        for (;;) {
            Frame frame = co_await read_frame(channel);
            found.frames.push_back(std::move(frame));
        }
    } catch (const std::system_error& error) {
        found.end = error.code();
    }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    Input input(data, size);
    const bool many = input.choice() % 2 == 0;
    const Pieces pieces(input);
    const std::size_t largest =
        many ? std::numeric_limits<std::uint16_t>::max() : largest_first_frame;
    Found found;
    feed(pieces, [&](AsyncChannel& channel) {
        return many ? read_many_at_once(channel, found) : read_one_by_one(channel, found);
    });
    const std::size_t most_unknown = many ? all : most_unknown_frames;
    require(found == find_frames(pieces.rest(), largest, all, most_unknown, true),
            "the same frames are read as of the whole");
    return 0;
}
