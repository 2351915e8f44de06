// Visitors with whom the remote proxy shakes hands.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "common/base/asio.hpp"
#include "common/security/visitor_handshakes.hpp"
#include "common/transport/cidr.hpp"
#include "common/transport/fair_pool.hpp"
#include "remote-proxy/fronts/newcomer.hpp"

namespace tunnel {

// Bounds their number. When there are too many, the address that has the most loses its oldest, so
// whoever begins handshakes and leaves them pushes out only his own. To answer a hello takes a
// thread long, so only a few are given to the threads at a time; the others wait here, from where
// they can be dropped at once, and addresses take turns.
class HandshakePool {
public:
    enum class Outcome : std::uint8_t {
        ended,      // the result says how
        pushed_out, // another one has its place
        late,       // it has waited for too long
    };

    // Called once. The newcomer has its socket if the handshake has not begun.
    using Done =
        std::function<void(Newcomer newcomer, VisitorHandshakes::Result result, Outcome outcome)>;

    HandshakePool(asio::io_context& io, unsigned threads);

    // At most `most` are here afterwards.
    void begin(Newcomer newcomer, std::shared_ptr<const ServedCertificates> certificates,
               const std::string& name, Clock::time_point deadline, std::size_t most, Done done);

    std::size_t size() const { return by_address_.size(); }

    // Ends those that have waited for too long, some in each call.
    void expire(Clock::time_point now);

    // When expire() has something to do.
    std::optional<Clock::time_point> next_deadline() const;

    // Drops all that wait, without a call, and ends all others.
    void stop();

private:
    struct Entry {
        Newcomer newcomer;
        std::shared_ptr<const ServedCertificates> certificates;
        std::string name;
        Clock::time_point deadline;
        Done done;
        bool was_pushed_out = false; // and is in the pool no more
        bool waits = true;
        VisitorHandshakes::Handle handle{};
        FairPool<Entry>::Slot slot{};
        std::list<Entry>::iterator place{};
    };

    using Place = std::list<Entry>::iterator;

    void push_out(Place entry);
    void begin_next();
    void begin(Place entry);
    void drop(Place entry, Outcome outcome);
    void leave_queue(Place entry);
    void finish(Place entry, VisitorHandshakes::Result result, Outcome outcome);

    VisitorHandshakes handshakes_;
    const std::size_t most_unanswered_;
    std::size_t unanswered_ = 0; // of those that have begun
    std::list<Entry> entries_;
    FairPool<Entry> by_address_;
    std::map<Cidr, std::deque<Place>> waiting_; // by where they come from; none is empty
    std::deque<Cidr> turns_;                    // the keys of the same
    std::set<std::pair<Clock::time_point, Entry*>> deadlines_; // of those that wait
};

} // namespace tunnel
