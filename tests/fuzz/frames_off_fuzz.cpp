// The relay takes the frames off a data connection: what comes out, what is left for the next
// stream and how it ends is what a simple decoder finds in the whole.
#include "tests/fuzz/feed.hpp"
#include "tests/fuzz/relayed.hpp"

using namespace tunnel;
using namespace tunnel::fuzz;

namespace {

struct Outcome {
    Progress end = Progress::from_failed;
    std::string out;
    std::string_view after; // the end, so the next stream's
    std::string_view refusal;
    bool heard_start = false;
};

Outcome expected_of(std::string_view bytes)
{
    Outcome expected;
    while (bytes.size() >= frame_header_size) {
        const std::size_t size = big_endian(bytes.substr(0, 2));
        const auto kind = static_cast<StreamFrame>(bytes[2]);
        if (size < frame_header_size)
            return expected;
        const std::string_view body = bytes.substr(frame_header_size, size - frame_header_size);
        if (kind != StreamFrame::refuse && kind >= StreamFrame::start && kind <= StreamFrame::raw)
            expected.heard_start |= kind == StreamFrame::start || kind >= StreamFrame::data;
        if (kind == StreamFrame::end) {
            expected.end = Progress::finished;
            expected.after = bytes.substr(frame_header_size);
            return expected;
        }
        if (kind == StreamFrame::raw) {
            expected.end = Progress::finished;
            expected.out += bytes.substr(frame_header_size);
            return expected;
        }
        if (kind == StreamFrame::data)
            expected.out += body;
        if (bytes.size() < size)
            return expected;
        if (kind == StreamFrame::refuse) {
            expected.end = Progress::refused;
            expected.refusal = body;
            return expected;
        }
        bytes.remove_prefix(size);
    }
    return expected;
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    Input input(data, size);
    const Lent lent(input.choice());
    const std::size_t budget = input.choice() + 1u;
    const bool some_is_received = input.choice() % 2 == 1;
    Pieces pieces(input);
    const Outcome expected = expected_of(pieces.rest());

    Connection from;
    Connection to;
    to.make_narrow();
    Direction direction(Framing::takes_off);
    if (some_is_received)
        from.near.unread(std::as_bytes(std::span(pieces.next())));
    std::string out;
    const auto pump = [&] {
        for (;;) {
            const Progress progress = direction.pump(from.near, to.near, lent.means(), budget);
            const std::string taken = drain(to.far.descriptor());
            out += taken;
            if (progress != Progress::more && (progress != Progress::waiting || taken.empty()))
                return progress;
            direction.can_write();
        }
    };
    Progress progress = pump();
    while (progress == Progress::waiting && !pieces.rest().empty()) {
        from.send(pieces.next());
        direction.can_read();
        progress = pump();
    }
    if (progress == Progress::waiting) {
        from.finish();
        direction.can_read();
        direction.read_until_told();
        progress = pump();
    }

    require(progress == expected.end, "a stream ends as its frames say");
    if (progress != Progress::finished) {
        // What came in one piece with the fault may be lost with it.
        require(expected.out.starts_with(out), "nothing is passed on but what was in data frames");
        if (progress == Progress::refused)
            require(direction.take_refusal() == expected.refusal, "a refusal is its frame's body");
        return 0;
    }
    require(out == expected.out, "what was in data frames is passed on");
    require(direction.bytes() == out.size(), "the stream's bytes are counted");
    require(direction.heard_start() == expected.heard_start, "a start is heard");
    char unused = 0;
    require(::recv(to.far.descriptor(), &unused, 1, 0) == 0, "the end is passed on");
    const std::string after =
        from.near.take_read_ahead().append(drain(from.near.descriptor())).append(pieces.rest());
    require(after == expected.after, "what follows the end is left for the next stream");
    return 0;
}
