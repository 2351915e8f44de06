// The data plane: moves bytes between two connections. It knows nothing of visitors, tickets or
// protocols; what it is given is two channels, what it gives back is one Flow.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/turn_watch.hpp"
#include "common/relay/bandwidth.hpp"
#include "common/relay/end.hpp"
#include "common/relay/filter.hpp"
#include "common/transport/channel.hpp"

namespace tunnel {

// That the second channel carries streams in frames (framing.hpp), so that it can be used again for
// the next stream, and how this one begins.
struct FramedStream {
    // Goes out before everything else; if the start is awaited, with the first bytes that are
    // there.
    std::string unsent{};
    // The peer has not taken the stream on. Until it says start nothing is lost of what the first
    // channel gives: what is there is only peeked at and sent, in case that this connection turns
    // out to be dead.
    bool awaits_start = false;
    // `unsent` may wait for the first piece to go with, as long as the relay does not sleep, and
    // for a millisecond at most.
    bool unsent_may_wait = false;
    // An earlier pair has begun to use it, in this state.
    bool sends_raw = false;    // no frames are added any more
    bool receives_raw = false; // none come any more
};

// What is thought of a stream by the first bytes of it.
enum class Beginning : std::uint8_t {
    allowed,
    undecided, // it depends on the bytes to come
    forbidden,
};

// Looks at the first bytes of a stream, `guarded_bytes` of them at most, and at once when there are
// some. By then it must have decided. Must not throw.
using Guard = Beginning (*)(std::string_view first);

inline constexpr std::size_t guarded_bytes = 16;

// Makes the first channel of a pair on the thread that will serve it, where that takes a while: a
// connection over loopback costs its maker the whole handshake.
class Opener {
public:
    virtual ~Opener() = default;

    // Must not wait, nor throw. A closed channel: there is none.
    virtual Channel open() = 0;
};

struct Flow {
    std::uint64_t first_to_second = 0; // bytes that the second socket has taken
    std::uint64_t second_to_first = 0;
    End end = End::finished;
    std::chrono::steady_clock::duration duration{}; // from hand_over() to the end

    // What the receiver of this may keep; all else is closed.
    Channel first{};  // not_started, and refused before the start: nothing of it is lost
    Channel second{}; // finished: if framed and good for another stream; or nothing was sent on it
    std::string refusal{};            // refused: the body of the frame
    std::unique_ptr<Opener> opener{}; // not_opened
    // Of a pair that had one. As long as it has not let the first channel hear anything, that one
    // comes back too: with not_started, refused and start_timeout.
    std::unique_ptr<Filter> filter{};
    // handed_back: of the second channel, if it is kept; see FramedStream.
    bool sends_raw = false;
    bool receives_raw = false;
    bool sent_end = false;         // of the stream
    bool second_has_ended = false; // its stream, on both ways: it is good for another
};

// What whoever handed a pair over sees of it while it lives, and may want of it. From any thread.
struct PairView {
    // Bytes that have been passed on, a little late.
    std::atomic<std::uint64_t> first_to_second = 0;
    std::atomic<std::uint64_t> second_to_first = 0;
    std::atomic<bool> unwanted = false; // for Relay::end_unwanted()
};

// What else is to be known of a pair.
struct PairOptions {
    std::uint64_t group = 0; // for Relay::end_group()
    PairLimits limits{};
    // No byte of the first socket is passed on, nor taken, while its beginning is undecided; the
    // other way goes on meanwhile. A stream that ends then is allowed.
    Guard guard = nullptr;
    PairView* view = nullptr; // null: nobody looks; lives until `Done` is called
    std::optional<FramedStream> framed{};
    std::unique_ptr<Filter> filter{}; // null: bytes pass as they are
    std::unique_ptr<Opener> opener{}; // if the first channel is still to be made
    // The first socket has no keep_alive() yet. It gets it when the pair has lived for a quarter of
    // a second, for which most do not live.
    bool lacks_keep_alive = false;
    bool first_is_unix = false; // its peer may pass descriptors, at which a read stops short
};

struct RelayOptions {
    unsigned workers = 1;
    // The first worker has no thread of its own: whoever calls Relay::poll() lends it theirs. That
    // saves waking another thread for a pair that is handed over, and for its end.
    bool lent_thread = false;
    std::chrono::milliseconds half_close_timeout{0}; // 0: never
    std::chrono::milliseconds idle_timeout{0};       // 0: never
    std::chrono::milliseconds start_timeout{0};      // how long a start may be awaited; 0: for ever
    // A peer that has not even acknowledged what was sent by then is dead: a router on the way has
    // forgotten the parked connection, say.
    std::chrono::milliseconds start_patience{3000};
    // Poll for so long after the last event before sleeping: waking a sleeping thread costs more
    // than most of a small piece's way. 0: sleep at once.
    std::chrono::microseconds spin{0};
    // Pipes of each thread; each is two descriptors, and while bytes wait in it up to 1 MiB of the
    // kernel's memory.
    std::size_t pipes = 32;
};

// Each direction of a pair is independent: an end of stream on one side is passed on as one, and
// the other way lives on; a side that does not read stops only the other side's sending. A failure
// of one side, and every end but `finished`, resets both: a cut stream must not look like a whole
// one. Without a read side that is stuck a pair holds no memory for its bytes.
class Relay {
public:
    // Called once for each pair that has ended, when all its sockets are closed but those that the
    // Flow carries. On any thread of the relay, or inside hand_over(): hand the work over, do not
    // do it there. Must not throw.
    using Done = std::function<void(Flow&)>;

    // Throws std::system_error if the system grants no epoll instance or thread.
    explicit Relay(const RelayOptions& options);

    // As stop().
    ~Relay();

    // Takes both channels, whose sockets must be connected, non-blocking, and prepared by
    // prepare_stream(), a framed second one by set_stream_options() alone: its peer sees without
    // a reset that it is cut, since the frames that end both streams were not exchanged. The first
    // may be a Unix socket, which knows no reset: closing it is one only for a peer that has sent
    // what was not read. With an opener the first is a closed channel. Safe from any thread, or
    // with a lent one only from that. After stop() the pair ends at once.
    void hand_over(Channel first, Channel second, Done done, PairOptions options = {});

    // Resets all pairs of this group that have been handed over; they are reported as cut off. Safe
    // from any thread, or with a lent one only from that.
    void end_group(std::uint64_t group);

    // The same, of all pairs whose view says that they are unwanted.
    void end_unwanted();

    // With a lent thread, only from that one: does what is ready, without waiting. Whether there
    // was anything.
    bool poll();

    // The same: whether it may wait until descriptor() is readable; else poll() has more to do.
    bool may_sleep();

    int descriptor() const;

    // The same, before the first poll() and for a few: poll() calls `on_readable` when `descriptor`
    // is readable, and as long as it is. Both must outlive the relay's last poll().
    void watch_also(int descriptor, std::function<void()> on_readable);

    // Pairs that have not ended yet; one that is being reported no longer counts.
    std::size_t live() const { return live_.load(); }

    // Pairs of each worker that nobody has finished yet. Safe from any thread.
    std::vector<std::size_t> loads() const;

    // The longest rounds of each worker with a thread of its own since the last call. Safe from any
    // thread.
    AllTurns take_longest_turns();

    // Whether each thread of its own has had a turn since the last call, for which it was woken.
    bool threads_turn();

    // Resets what is left and waits for the threads; every pair has been reported when it returns.
    // With a lent thread: from that one, and not from `Done`.
    void stop();

private:
    class Worker;

    std::atomic<std::size_t> live_ = 0;
    std::vector<std::unique_ptr<Worker>> workers_;
};

} // namespace tunnel
