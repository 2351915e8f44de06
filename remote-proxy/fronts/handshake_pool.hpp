// Visitors with whom the remote proxy shakes hands.
#pragma once

#include <cstddef>
#include <functional>
#include <list>
#include <memory>
#include <string>

#include "common/base/asio.hpp"
#include "common/security/visitor_handshakes.hpp"
#include "common/transport/fair_pool.hpp"
#include "remote-proxy/fronts/hello_pool.hpp"

namespace tunnel {

// Bounds their number. When there are too many, the address that has the most loses its oldest, so
// whoever begins handshakes and leaves them pushes out only his own.
class HandshakePool {
public:
    // Called once. `was_pushed_out`: another one has its place; the result is its end then.
    using Done = std::function<void(Newcomer newcomer, VisitorHandshakes::Result result,
                                    bool was_pushed_out)>;

    HandshakePool(asio::io_context& io, unsigned threads) : handshakes_(io, threads) {}

    // At most `most` are under way afterwards. The newcomer's socket is taken.
    void begin(Newcomer newcomer, std::shared_ptr<const ServedCertificates> certificates,
               const std::string& name, Clock::time_point deadline, std::size_t most, Done done);

    std::size_t size() const { return by_address_.size(); }

    void stop() { handshakes_.stop(); }

private:
    struct Entry {
        Newcomer newcomer;
        Done done;
        VisitorHandshakes::Handle handle{};
        FairPool<Entry>::Slot slot{};
        bool was_pushed_out = false; // and is in the pool no more
    };

    void finish(std::list<Entry>::iterator entry, VisitorHandshakes::Result result);

    VisitorHandshakes handshakes_;
    std::list<Entry> entries_;
    FairPool<Entry> by_address_;
};

} // namespace tunnel
