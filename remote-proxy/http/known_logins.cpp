#include "remote-proxy/http/known_logins.hpp"

namespace tunnel {

bool KnownLogins::contains(const Mac& digest, Clock::time_point now)
{
    const auto found = by_digest_.find(digest);
    if (found == by_digest_.end())
        return false;
    const auto entry = found->second;
    if (entry->until <= now) {
        entries_.erase(entry);
        by_digest_.erase(found);
        return false;
    }
    entries_.splice(entries_.end(), entries_, entry);
    return true;
}

void KnownLogins::add(const Mac& digest, Clock::time_point now)
{
    const auto [place, is_new] = by_digest_.try_emplace(digest);
    if (!is_new) {
        place->second->until = now + life;
        entries_.splice(entries_.end(), entries_, place->second);
        return;
    }
    place->second = entries_.insert(entries_.end(), Entry{digest, now + life});
    if (entries_.size() > most) {
        by_digest_.erase(entries_.front().digest);
        entries_.pop_front();
    }
}

void KnownLogins::clear()
{
    by_digest_.clear();
    entries_.clear();
}

} // namespace tunnel
