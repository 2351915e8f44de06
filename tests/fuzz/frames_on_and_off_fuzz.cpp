// One relay adds frames, the next takes them off: the stream is the same, however it is cut,
// whether it goes on raw or not, and whether its beginning was only peeked at.
#include "tests/fuzz/feed.hpp"
#include "tests/fuzz/relayed.hpp"

using namespace tunnel;
using namespace tunnel::fuzz;

namespace {

// Three connections with a relay between each and the next.
class Chain {
public:
    Chain(Connection from, const Lent& adding, const Lent& taking, std::size_t budget)
        : from_(std::move(from)), adding_(adding), taking_(taking), budget_(budget)
    {
        link_.make_narrow();
        to_.make_narrow();
    }

    Direction adds{Framing::adds};
    Direction takes{Framing::takes_off};
    std::string out;

    void send(std::string_view piece)
    {
        from_.send(piece);
        adds.can_read();
    }

    void finish()
    {
        from_.finish();
        adds.can_read();
        adds.read_until_told();
    }

    void start() { adds.start(); }

    // Until nothing moves any more.
    void settle()
    {
        for (;;) {
            const auto before = state();
            pump(adds, from_.near, link_.far, adding_);
            takes.can_read();
            if (adds.finished())
                takes.read_until_told();
            pump(takes, link_.near, to_.near, taking_);
            out += drain(to_.far.descriptor());
            if (state() == before)
                return;
            adds.can_write();
            takes.can_write();
        }
    }

    bool passed_the_end_on()
    {
        char unused = 0;
        return ::recv(to_.far.descriptor(), &unused, 1, 0) == 0;
    }

private:
    std::array<std::uint64_t, 6> state() const
    {
        return {adds.bytes(),     adds.finished(), takes.bytes(),
                takes.finished(), out.size(),      link_.unread()};
    }

    void pump(Direction& direction, Channel& from, Channel& to, const Lent& lent)
    {
        Progress progress = Progress::more;
        while (progress == Progress::more)
            progress = direction.pump(from, to, lent.means(), budget_);
        require(progress == Progress::waiting || progress == Progress::finished,
                "frames that were added can be taken off");
    }

    Connection from_;
    Connection link_;
    Connection to_;
    Lent adding_;
    Lent taking_;
    std::size_t budget_;
};

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    Input input(data, size);
    const std::uint8_t how = input.choice();
    const bool is_peeked_at = (how & 1) != 0;
    const bool says_start = (how & 2) != 0;
    const Lent adding(is_peeked_at ? 0 : input.choice()); // peeking takes the worker's buffer
    const Lent taking(input.choice());
    std::size_t pieces_before_start = input.choice() % 4;
    // Peeking needs a real socket.
    Chain chain(is_peeked_at ? Connection::over_tcp() : Connection(), adding, taking,
                input.choice() + 1u);
    Pieces pieces(input);
    const std::string_view stream = pieces.rest();

    if (says_start) {
        const auto start = frame_header(StreamFrame::start, 0);
        chain.adds.send_first({reinterpret_cast<const char*>(start.data()), start.size()});
        if (!is_peeked_at) // no program does both
            chain.adds.wait_for_piece();
    }
    if (is_peeked_at)
        chain.adds.await_start();
    chain.settle();
    while (!pieces.rest().empty()) {
        chain.send(pieces.next());
        chain.settle();
        if (chain.adds.awaits_start() && pieces_before_start-- == 0)
            chain.start();
    }
    if (chain.adds.awaits_start())
        chain.start();
    chain.settle();
    chain.finish();
    chain.settle();

    require(chain.adds.finished() && chain.takes.finished(), "the end comes through");
    require(chain.out == stream, "the stream comes through as it was");
    require(chain.passed_the_end_on(), "the end is passed on");
    require(chain.adds.bytes() == stream.size() && chain.takes.bytes() == stream.size(),
            "both count the stream's bytes without its frames");
    require(chain.adds.ended_in_frame() == chain.takes.ended_in_frame(),
            "both know whether the connection may carry another stream");
    return 0;
}
