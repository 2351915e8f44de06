// How a visitor is being connected to an origin server.
#pragma once

#include <cstdint>
#include <memory>
#include <utility>

#include "common/base/ids.hpp"
#include "remote-proxy/origins/carrier.hpp"

namespace tunnel {

// A visitor was announced to this origin proxy, and no other. It counts among those of the origin
// proxy while this lives.
class Attempt {
public:
    explicit Attempt(std::shared_ptr<Carrier> by) : by_(std::move(by)) { ++by_->visitors; }

    Attempt(Attempt&&) noexcept = default;

    Attempt& operator=(Attempt&& other) noexcept
    {
        std::swap(by_, other.by_);
        return *this;
    }

    ~Attempt()
    {
        if (by_)
            --by_->visitors;
    }

    const Carrier& by() const { return *by_; }

private:
    std::shared_ptr<Carrier> by_; // null only once moved from
};

// A visitor was announced on an idle connection, with what it had sent until then. Whether the
// origin proxy has received that is not known if the connection breaks before the start.
struct EarlyAnnouncement {
    // The next announcement must have the same ticket, so that the visitor is not served twice.
    Ticket ticket;
    // Nobody else may serve it, since this one may have its first bytes. Null: none were sent.
    std::shared_ptr<const Carrier> has_first_bytes;
};

// Why somebody else, or the same origin proxy once more, may try to serve a visitor.
enum class AttemptEnd : std::uint8_t {
    revoked,     // the control connection is gone on which it was announced
    refused,     // the origin proxy has not connected it, and has taken none of its bytes
    broken,      // its data connection broke before the start
    not_started, // the idle connection broke before any byte of it was sent there
    maybe_heard  // as well, but some of its bytes had been sent
};

} // namespace tunnel
