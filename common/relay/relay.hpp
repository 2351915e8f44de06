// The data plane: moves bytes between two connected sockets. It knows nothing of visitors, tickets
// or protocols; what it is given is two descriptors, what it gives back is one Flow.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>
#include <vector>

#include "common/net/fd.hpp"

namespace tunnel {

// How a pair came to its end.
enum class End : std::uint8_t {
    finished,           // both sides said they had no more to send, and all of it was passed on
    first_failed,       // the first socket was reset, or timed out
    second_failed,      // the second was
    half_close_timeout, // one side had finished, and the other way stayed silent too long
    idle_timeout,       // no side had finished, and no byte moved for too long
    stopped,            // the relay was stopped
};

struct Flow {
    std::uint64_t first_to_second = 0; // bytes that the second socket has taken
    std::uint64_t second_to_first = 0;
    End end = End::finished;
    std::chrono::steady_clock::duration duration{}; // from hand_over() to the end
};

struct RelayOptions {
    unsigned threads = 1;
    std::chrono::milliseconds half_close_timeout{0}; // 0: never
    std::chrono::milliseconds idle_timeout{0};       // 0: never
};

// Each direction of a pair is independent: an end of stream on one side is passed on as one, and
// the other way lives on; a side that does not read stops only the other side's sending. A failure
// of one side, and every end but `finished`, resets both: a cut stream must not look like a whole
// one. Without a read side that is stuck a pair holds no memory for its bytes.
class Relay {
public:
    // Called once for each pair when both its sockets are closed, on a thread of the relay: hand
    // the work over, do not do it there. Must not throw.
    using Done = std::function<void(const Flow&)>;

    // Throws std::system_error if the system grants no epoll instance or thread.
    explicit Relay(const RelayOptions& options);

    // As stop().
    ~Relay();

    // Takes both sockets, which must be connected streams, prepared by prepare_stream(). Safe from
    // any thread. After stop() the pair ends at once.
    void hand_over(Fd first, Fd second, Done done);

    // Pairs that have not ended yet; one that is being reported no longer counts.
    std::size_t live() const { return live_.load(); }

    // Resets what is left and waits for the threads; every pair has been reported when it returns.
    void stop();

private:
    class Worker;

    std::atomic<std::size_t> live_ = 0;
    std::atomic<std::size_t> next_ = 0;
    std::vector<std::unique_ptr<Worker>> workers_;
};

} // namespace tunnel
