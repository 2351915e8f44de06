#include "remote-proxy/handshakes.hpp"

#include <algorithm>

namespace tunnel {

Handshakes::Place::~Place()
{
    if (entry_->end.empty())
        owner_.leave(*entry_);
    owner_.entries_.erase(entry_);
}

Handshakes::Place Handshakes::enter(tcp::socket& socket, Clock::time_point now)
{
    if (full()) {
        for (Entry& entry : entries_) {
            if (entry.end.empty() && !entry.expected) {
                close(entry, "too many connections that have not said who they are");
                break;
            }
        }
    }
    ++open_;
    return Place(*this, entries_.insert(entries_.end(), Entry{&socket, now, {}}));
}

// Closes nothing: it is asked in the midst of a handshake, whose library would go on with a number
// that may be another socket's.
void Handshakes::expect(Entry& entry, const RandomBytes& once, std::size_t most)
{
    if (entry.expected || !entry.end.empty() || expected_ >= most ||
        std::ranges::find(entries_, once, &Entry::expected) != entries_.end())
        return;
    entry.expected = once;
    --open_;
    ++expected_;
}

void Handshakes::leave(const Entry& entry)
{
    --(entry.expected ? expected_ : open_);
}

std::optional<Clock::time_point> Handshakes::oldest() const
{
    for (const Entry& entry : entries_) {
        if (entry.end.empty())
            return entry.began;
    }
    return std::nullopt;
}

void Handshakes::expire(Clock::time_point before)
{
    for (Entry& entry : entries_) {
        if (entry.began > before)
            break;
        if (entry.end.empty())
            close(entry, "said nothing whole in time");
    }
}

void Handshakes::close(Entry& entry, std::string_view why)
{
    entry.end = why;
    leave(entry);
    std::error_code ignored;
    entry.socket->close(ignored);
}

} // namespace tunnel
