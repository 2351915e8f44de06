// Logins that were right.
#pragma once

#include <cstddef>
#include <list>
#include <map>
#include <string>

#include "common/base/asio.hpp"
#include "common/security/key.hpp"

namespace tunnel {

// Remembers them by a digest, made with a key of this run, of what the visitor sent and of the
// hash that it fits: a hash that changes with a reload makes another. Of bounded size: a new one
// takes the place of the one that was used least lately. No I/O, no clock.
class KnownLogins {
public:
    static constexpr std::size_t most = 1000;
    static constexpr Clock::duration life = std::chrono::minutes(10); // however often it is used

    // Whether it was right within that time.
    bool contains(const Mac& digest, Clock::time_point now);

    void add(const Mac& digest, Clock::time_point now);

    void clear();

    std::size_t size() const { return entries_.size(); }

private:
    struct Entry {
        Mac digest;
        Clock::time_point until;
    };

    std::list<Entry> entries_; // by use, the latest at the end
    std::map<Mac, std::list<Entry>::iterator> by_digest_;
};

} // namespace tunnel
