// TLS handshakes with visitors.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <system_error>
#include <vector>

#include "common/base/asio.hpp"
#include "common/base/fd.hpp"
#include "common/security/served_certificates.hpp"
#include "common/transport/channel.hpp"

namespace tunnel {

// A handshake takes as long as hundreds of small messages on their way, so they have threads of
// their own: a flood of them delays only other handshakes. What one visitor may send is bounded,
// see RecordGuard. Not thread-safe: it belongs to the thread of the io_context.
class VisitorHandshakes {
public:
    struct Result {
        Channel channel{};       // open if all went well: encrypted, its socket as it was given
        std::error_code error{}; // else; timed_out: the deadline; eof: the visitor has left
        std::string why{};       // what else is known of the failure, for people
    };

    using Done = std::function<void(Result)>;

    // The hello has been answered, or is not going to be: what takes a thread long is done.
    using Answered = std::function<void()>;

    // One that is under way, for cancel().
    struct Underway;
    using Handle = std::shared_ptr<Underway>;

    // The threads start with the first handshake.
    VisitorHandshakes(asio::io_context& io, unsigned threads);

    VisitorHandshakes(const VisitorHandshakes&) = delete;
    VisitorHandshakes& operator=(const VisitorHandshakes&) = delete;

    // As stop().
    ~VisitorHandshakes();

    // Shakes hands with a visitor of a canonical name, of whose bytes none has been taken, and
    // calls `answered` and then `done` later from `io`, once: also after stop(), with
    // operation_aborted, if `io` still runs then. The socket is prepared as the relay wants it. At
    // the deadline, and after every failure, it is closed, with a reset unless the visitor has been
    // told by an alert.
    Handle begin(Fd socket, std::shared_ptr<const ServedCertificates> certificates,
                 const std::string& name, Clock::time_point deadline, Done done,
                 Answered answered = {});

    // Ends it with operation_aborted, unless it has ended already. `done` is called in any case.
    void cancel(const Handle& handle);

    // Those whose `done` has not been called. The caller bounds it.
    std::size_t size() const;

    // Ends all that are under way, and waits for the threads, which takes no longer than one step
    // of a handshake.
    void stop();

private:
    class Worker;
    struct Shared;

    void start_workers();

    std::shared_ptr<Shared> shared_; // with what is still to be called
    unsigned threads_;
    std::vector<std::unique_ptr<Worker>> workers_;
    bool stopped_ = false;
};

} // namespace tunnel
