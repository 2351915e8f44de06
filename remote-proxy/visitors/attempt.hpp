// An attempt to connect a visitor to an origin server.
#pragma once

#include <cstdint>
#include <memory>
#include <utility>

#include "common/base/ids.hpp"
#include "remote-proxy/origins/carrier.hpp"

namespace tunnel {

// A visitor is announced to this origin proxy and to no other. While this lives, the visitor counts
// as one of the origin proxy's.
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

    const std::shared_ptr<Carrier>& carrier() const { return by_; }

private:
    std::shared_ptr<Carrier> by_; // null only once moved from
};

// A visitor was announced on an idle connection, with the bytes it had sent so far. If the
// connection breaks before the start, it is unknown whether the origin proxy has received them.
struct EarlyAnnouncement {
    // The next announcement must have the same ticket, so that the visitor is not served twice.
    Ticket ticket;
    // The only origin proxy that may serve the visitor, as it may have its first bytes. Null: no
    // bytes were sent.
    std::shared_ptr<const Carrier> has_first_bytes;
};

// Why an attempt failed; another origin proxy, or the same one, may try next.
enum class AttemptEnd : std::uint8_t {
    revoked,     // the control connection of the announcement is gone
    refused,     // the origin proxy could not connect it, and took none of its bytes
    broken,      // its data connection broke before the start
    not_started, // the idle connection broke before any of its bytes were sent
    maybe_heard  // the same, but some of its bytes were sent
};

} // namespace tunnel
