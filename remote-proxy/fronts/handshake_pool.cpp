#include "remote-proxy/fronts/handshake_pool.hpp"

#include <utility>

namespace tunnel {

void HandshakePool::begin(Newcomer newcomer, std::shared_ptr<const ServedCertificates> certificates,
                          const std::string& name, Clock::time_point deadline, std::size_t most,
                          Done done)
{
    if (by_address_.size() >= most) {
        if (Entry* const oldest = by_address_.first_to_go()) {
            oldest->was_pushed_out = true;
            by_address_.erase(oldest->slot);
            handshakes_.cancel(oldest->handle);
        }
    }
    Fd socket = std::move(newcomer.socket);
    const auto entry = entries_.insert(entries_.end(), Entry{std::move(newcomer), std::move(done)});
    entry->slot = by_address_.insert(entry->newcomer.peer.address(), *entry);
    entry->handle = handshakes_.begin(
        std::move(socket), std::move(certificates), name, deadline,
        [this, entry](VisitorHandshakes::Result result) { finish(entry, std::move(result)); });
}

void HandshakePool::finish(std::list<Entry>::iterator entry, VisitorHandshakes::Result result)
{
    if (!entry->was_pushed_out)
        by_address_.erase(entry->slot);
    Entry finished = std::move(*entry);
    entries_.erase(entry);
    finished.done(std::move(finished.newcomer), std::move(result), finished.was_pushed_out);
}

} // namespace tunnel
