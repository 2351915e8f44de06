// Searches for a free port that found none.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "common/base/asio.hpp"

namespace tunnel {

// A search takes hundreds of attempts, and an origin proxy may offer a thousand services, at as
// many addresses, and withdraw one in between so that a port may be free. So they are limited for
// each credential. No clock.
class PortSearches {
public:
    // Whether a search would be in vain, as far as is known, or there have been enough. `removed`
    // is the number of services that were closed so far, whose ports may be free.
    bool is_in_vain(const std::string& credential, std::uint64_t removed,
                    Clock::time_point now) const
    {
        constexpr int most_searches = 16;
        const auto known = failed_.find(credential);
        return known != failed_.end() && now < known->second.until &&
               (known->second.removed == removed || known->second.searches >= most_searches);
    }

    // One was in vain.
    void note(const std::string& credential, std::uint64_t removed, Clock::time_point now)
    {
        constexpr auto remembered_for = std::chrono::seconds(1); // others close ports as well
        constexpr std::size_t most_remembered = 4096;
        if (failed_.size() >= most_remembered && !failed_.contains(credential))
            failed_.clear();
        Failed& failed = failed_[credential];
        if (now >= failed.until)
            failed = {removed, now + remembered_for, 0};
        failed.removed = removed;
        ++failed.searches;
    }

    void clear() { failed_.clear(); }

private:
    struct Failed {
        std::uint64_t removed = 0; // services until then
        Clock::time_point until{};
        int searches = 0; // until that time
    };

    std::map<std::string, Failed> failed_; // by the names of credentials
};

} // namespace tunnel
