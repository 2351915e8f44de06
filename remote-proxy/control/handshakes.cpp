#include "remote-proxy/control/handshakes.hpp"

#include <algorithm>

namespace tunnel {

namespace {

// Closed in one turn, although more may have run out of time.
constexpr int most_expired_at_once = 64;

} // namespace

Handshakes::Place::~Place()
{
    if (entry_->end.empty()) {
        owner_.leave(*entry_);
        owner_.open_.erase(entry_);
    } else {
        owner_.closed_.erase(entry_);
    }
}

Handshakes::Place Handshakes::enter(tcp::socket& socket, const asio::ip::address& address,
                                    Clock::time_point now)
{
    if (full()) {
        // Those that are known have half of the room, so this is null only if that is one.
        Entry* const goes = unknown_.size() > 0 ? unknown_.first_to_go() : known_.first_to_go();
        if (goes != nullptr)
            close(*goes, {Code::no_room, "too many connections that have not said who they are"});
    }
    const auto entry = open_.insert(open_.end(), Entry{&socket, address, now});
    entry->place = entry;
    entry->slot = unknown_.insert(address, *entry);
    return Place(*this, entry);
}

// May close others, but not this one: it is asked in the midst of a handshake, whose library would
// go on with a number that may be another socket's.
void Handshakes::keep(Entry& entry)
{
    if (entry.kind != Kind::unknown || !entry.end.empty())
        return;
    enlist(entry, Kind::known);
    if (known_.size() <= std::max<std::size_t>(1, capacity_ / 2))
        return;
    Entry* const goes = known_.first_to_go();
    if (goes == &entry)
        enlist(entry, Kind::unknown);
    else
        close(*goes, {Code::no_room, "too many connections that have not proved who they are"});
}

void Handshakes::expect(Entry& entry, const RandomBytes& once, std::size_t most)
{
    if (entry.kind != Kind::unknown || !entry.end.empty() || expected_.size() >= most ||
        expected_.contains(once))
        return;
    entry.once = once;
    enlist(entry, Kind::expected);
}

// Moves it to the others of that kind.
void Handshakes::enlist(Entry& entry, Kind kind)
{
    leave(entry);
    entry.kind = kind;
    if (kind == Kind::expected)
        expected_.insert(entry.once);
    else
        entry.slot = (kind == Kind::known ? known_ : unknown_).insert(entry.address, entry);
}

void Handshakes::leave(const Entry& entry)
{
    if (entry.kind == Kind::expected)
        expected_.erase(entry.once);
    else
        (entry.kind == Kind::known ? known_ : unknown_).erase(entry.slot);
}

std::optional<Clock::time_point> Handshakes::oldest() const
{
    if (open_.empty())
        return std::nullopt;
    return open_.front().began;
}

void Handshakes::expire(Clock::time_point before)
{
    for (int i = 0; i < most_expired_at_once; ++i) {
        if (open_.empty() || open_.front().began > before)
            break;
        close(open_.front(), {Code::timeout, "said nothing whole in time"});
    }
}

void Handshakes::close(Entry& entry, Reason why)
{
    leave(entry);
    entry.end = std::move(why);
    closed_.splice(closed_.end(), open_, entry.place);
    std::error_code ignored;
    entry.socket->close(ignored);
}

} // namespace tunnel
