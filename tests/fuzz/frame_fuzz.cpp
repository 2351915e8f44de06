// One frame: what is decoded is encoded to something that is decoded to the same.
#include <span>

#include "common/protocol/frame.hpp"
#include "tests/fuzz/input.hpp"

using namespace tunnel;
using namespace tunnel::fuzz;

namespace {

std::span<const std::uint8_t> bytes_of(std::string_view text)
{
    return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

} // namespace

// The body is all that follows the header, whatever size that tells.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    const std::span bytes(data, size);
    if (size < FrameHeader::wire_size)
        return 0;
    const std::size_t told = big_endian(Input(data, 2).text());
    const auto header = decode_header(bytes.first<FrameHeader::wire_size>());
    require(header.has_value() == (told >= FrameHeader::wire_size), "a header holds itself");
    if (header)
        require(header->body_size + FrameHeader::wire_size == told && header->kind == data[2],
                "a header is read as it stands");

    const auto frame = decode(data[2], bytes.subspan(FrameHeader::wire_size));
    if (!frame)
        return 0;
    const std::string again = encode(*frame);
    const auto header_again = decode_header(bytes_of(again).first<FrameHeader::wire_size>());
    require(header_again && header_again->kind == data[2] &&
                header_again->body_size == again.size() - FrameHeader::wire_size,
            "a header tells kind and size of what was encoded");
    require(decode(data[2], bytes_of(again).subspan(FrameHeader::wire_size)) == frame,
            "what was decoded survives a round trip");
    return 0;
}
