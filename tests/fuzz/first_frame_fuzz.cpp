// The first bytes of a connection from anybody: magic, sizes, one frame, and not a byte more.
#include "common/protocol/wire.hpp"
#include "tests/fuzz/feed.hpp"
#include "tests/fuzz/frames.hpp"

using namespace tunnel;
using namespace tunnel::fuzz;

namespace {

const std::string magic_text(magic.begin(), magic.end());

Found expected_of(std::string_view bytes)
{
    const auto failed = [](std::error_code error) { return Found{{}, error, {}}; };
    if (!magic_text.starts_with(bytes.substr(0, magic.size())))
        return failed(Errc::not_our_protocol);
    if (bytes.size() < magic.size() + FrameHeader::wire_size)
        return failed(asio::error::eof);
    const std::string_view frame = bytes.substr(magic.size());
    const std::size_t size = big_endian(frame.substr(0, 2));
    if (magic.size() + size < smallest_first_frame)
        return failed(Errc::malformed_frame);
    return find_frames(frame, largest_first_frame, 1, most_unknown_frames + 1); // the first beside
}

awaitable<void> read(AsyncChannel& channel, Found& found)
{
    try {
        Frame frame = co_await read_first_frame(channel);
        found.frames.push_back(std::move(frame));
    } catch (const std::system_error& error) {
        found.end = error.code();
    }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    const Pieces pieces(Input(data, size));
    const Found expected = expected_of(pieces.rest());
    Found found;
    const std::string unread =
        feed(pieces, [&found](AsyncChannel& channel) { return read(channel, found); });
    require(found == expected, "the first frame is what it is in the whole");
    if (!found.end)
        require(unread == expected.rest, "not a byte more is read");
    return 0;
}
