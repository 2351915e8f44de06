#include "remote-proxy/fronts/handshake_pool.hpp"

#include <algorithm>

#include "common/transport/socket.hpp"

namespace tunnel {

namespace {

// Enough to keep a thread at work until the next one comes.
constexpr std::size_t unanswered_of_thread = 4;

} // namespace

HandshakePool::HandshakePool(asio::io_context& io, unsigned threads)
    : handshakes_(io, threads), most_unanswered_(threads * unanswered_of_thread)
{
}

void HandshakePool::begin(Newcomer newcomer, std::shared_ptr<const ServedCertificates> certificates,
                          const std::string& name, Clock::time_point deadline, std::size_t most,
                          Done done)
{
    if (by_address_.size() >= most) {
        if (Entry* const oldest = by_address_.first_to_go())
            push_out(oldest->place);
    }
    const Cidr from = subscriber_of(newcomer.peer.address());
    Entry fresh{std::move(newcomer), std::move(certificates), name, deadline, std::move(done)};
    const Place entry = entries_.insert(entries_.end(), std::move(fresh));
    entry->place = entry;
    entry->slot = by_address_.insert(entry->newcomer.peer.address(), *entry);
    deadlines_.insert({deadline, &*entry});
    auto& of_address = waiting_[from];
    if (of_address.empty())
        turns_.push_back(from);
    of_address.push_back(entry);
    begin_next();
}

void HandshakePool::push_out(Place entry)
{
    if (entry->waits)
        return drop(entry, Outcome::pushed_out);
    entry->was_pushed_out = true;
    by_address_.erase(entry->slot);
    handshakes_.cancel(entry->handle);
}

void HandshakePool::begin_next()
{
    while (unanswered_ < most_unanswered_ && !turns_.empty()) {
        const Cidr from = turns_.front();
        const Place next = waiting_.at(from).front();
        leave_queue(next);
        if (waiting_.contains(from)) { // the others have their turn first
            turns_.pop_front();
            turns_.push_back(from);
        }
        begin(next);
    }
}

void HandshakePool::begin(Place entry)
{
    ++unanswered_;
    const auto answered = [this] {
        --unanswered_;
        begin_next();
    };
    const auto done = [this, entry](VisitorHandshakes::Result result) {
        const bool was_pushed_out = entry->was_pushed_out;
        if (!was_pushed_out)
            by_address_.erase(entry->slot);
        finish(entry, std::move(result), was_pushed_out ? Outcome::pushed_out : Outcome::ended);
    };
    Fd socket = std::move(entry->newcomer.socket);
    entry->handle = handshakes_.begin(std::move(socket), std::move(entry->certificates),
                                      entry->name, entry->deadline, done, answered);
}

void HandshakePool::leave_queue(Place entry)
{
    entry->waits = false;
    deadlines_.erase({entry->deadline, &*entry});
    const auto of_address = waiting_.find(subscriber_of(entry->newcomer.peer.address()));
    std::erase(of_address->second, entry);
    if (!of_address->second.empty())
        return;
    std::erase(turns_, of_address->first);
    waiting_.erase(of_address);
}

// One that waits.
void HandshakePool::drop(Place entry, Outcome outcome)
{
    leave_queue(entry);
    by_address_.erase(entry->slot);
    finish(entry, {}, outcome);
}

void HandshakePool::finish(Place entry, VisitorHandshakes::Result result, Outcome outcome)
{
    Entry finished = std::move(*entry);
    entries_.erase(entry);
    finished.done(std::move(finished.newcomer), std::move(result), outcome);
}

void HandshakePool::expire(Clock::time_point now)
{
    constexpr int ended_per_turn = 64;
    for (int i = 0; i < ended_per_turn; ++i) {
        if (deadlines_.empty() || deadlines_.begin()->first > now)
            return;
        drop(deadlines_.begin()->second->place, Outcome::late);
    }
}

std::optional<Clock::time_point> HandshakePool::next_deadline() const
{
    return deadlines_.empty() ? std::nullopt : std::optional(deadlines_.begin()->first);
}

void HandshakePool::stop()
{
    while (!deadlines_.empty()) {
        const Place entry = deadlines_.begin()->second->place;
        leave_queue(entry);
        by_address_.erase(entry->slot);
        reset(entry->newcomer.socket);
        entries_.erase(entry);
    }
    handshakes_.stop();
}

} // namespace tunnel
