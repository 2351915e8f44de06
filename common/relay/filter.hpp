// What follows the messages inside a pair.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "common/relay/end.hpp"

namespace tunnel {

// Is shown the bytes of a pair, and decides what is sent instead of them. It can hand the pair
// back: both channels are kept then, as far as they are good for more. Works on the thread of a
// worker, and must neither wait nor throw. "Forth" is from the first channel to the second.
class Filter {
public:
    enum class Then : std::uint8_t {
        more,        // show it what comes next
        transparent, // it is not needed any more: what follows passes as it is
        broken,      // what the sender said makes no sense: its connection counts as failed
    };

    // What becomes of some bytes.
    struct Step {
        std::size_t taken = 0; // of them; the others are shown again, once it wants them
        Then then = Then::more;
    };

    // What becomes of the end of a stream.
    enum class AtEnd : std::uint8_t {
        pass_on,   // the receiver is to see it
        hand_back, // no message is cut by it: is_done() now
        broken,    // one is, so the sender's connection counts as failed
    };

    virtual ~Filter() = default;

    // What goes out first, in place of what the first channel has said before. The same each time
    // until the answer begins.
    virtual std::string_view beginning() const = 0;

    // The beginning may be sent before the peer has taken the stream on: if it never does, it does
    // no harm that it may have heard.
    virtual bool may_be_early() const = 0;

    // Takes some of the bytes, and appends to `out` what is to be sent, not much more than it
    // takes. Back it takes all that it is shown, even if that is in several steps: there may have
    // been frames around them, so they cannot be put back.
    virtual Step forth(std::string_view bytes, std::string& out) = 0;
    virtual Step back(std::string_view bytes, std::string& out) = 0;

    // False: nothing is to be taken from the first channel before the second has said more.
    virtual bool wants_forth() const = 0;

    // So many of the next bytes would pass as they are, and need not be shown.
    virtual std::uint64_t unseen_forth() const = 0;
    virtual std::uint64_t unseen_back() const = 0;

    // So many of them have passed.
    virtual void passed_forth(std::uint64_t bytes) = 0;
    virtual void passed_back(std::uint64_t bytes) = 0;

    virtual AtEnd forth_ended() = 0;
    virtual AtEnd back_ended() = 0;

    // The pair is to be handed back once all is sent.
    virtual bool is_done() const = 0;

    // It is handed back instead of ending like this: the first channel has not heard anything yet
    // that would be cut. The second one is not kept then.
    virtual bool survives(End how) = 0;

    // The pair was silent for so long. May be done afterwards. Called about once in a second.
    virtual void on_silence(std::chrono::milliseconds silence) = 0;

    // The second channel is between two messages, and good for others.
    virtual bool keeps_second() const = 0;
};

} // namespace tunnel
