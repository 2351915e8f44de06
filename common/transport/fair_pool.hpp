// Members of a table, counted for each address that they come from.
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <map>

#include "common/transport/cidr.hpp"

namespace tunnel {

// Says which member to give up when the table is full: the oldest one of the address that has the
// most. So whoever fills a table loses his own members first. Adding and removing one takes
// a logarithmic number of steps, whatever addresses strangers choose. Addresses are told apart by
// subscriber_of().
template <class Member>
class FairPool {
    struct Aged {
        Member* member;
        std::uint64_t number; // in the order of their coming
    };

    using Members = std::list<Aged>;
    using Groups = std::map<Cidr, Members>;

    // Orders groups by who is to lose a member first.
    struct Rank {
        std::size_t size;
        std::uint64_t oldest;

        friend bool operator<(const Rank& a, const Rank& b)
        {
            return a.size != b.size ? a.size > b.size : a.oldest < b.oldest;
        }
    };

public:
    // Where a member stands; for erase().
    class Slot {
        friend class FairPool;
        typename Groups::iterator group;
        typename Members::iterator entry;
    };

    FairPool() = default;
    FairPool(const FairPool&) = delete;
    FairPool& operator=(const FairPool&) = delete;

    std::size_t size() const { return size_; }

    // The member must stay where it is until it is erased.
    Slot insert(const asio::ip::address& address, Member& member)
    {
        Slot slot;
        slot.group = groups_.try_emplace(subscriber_of(address)).first;
        Members& members = slot.group->second;
        unrank(members);
        slot.entry = members.insert(members.end(), Aged{&member, ++latest_});
        rank(members);
        ++size_;
        return slot;
    }

    void erase(const Slot& slot)
    {
        Members& members = slot.group->second;
        unrank(members);
        members.erase(slot.entry);
        --size_;
        if (members.empty())
            groups_.erase(slot.group);
        else
            rank(members);
    }

    // Null if there is none.
    Member* first_to_go() const
    {
        return ranking_.empty() ? nullptr : ranking_.begin()->second->front().member;
    }

    // Which member to give up so that one from `address` gets its place: the latest of the address
    // that has the most. Null if `address` would have no fewer than that one then: nobody loses a
    // place to somebody who has as many.
    Member* to_give_up_for(const asio::ip::address& address) const
    {
        if (ranking_.empty())
            return nullptr;
        const auto group = groups_.find(subscriber_of(address));
        const std::size_t already = group == groups_.end() ? 0 : group->second.size();
        const Members& largest = *ranking_.begin()->second;
        return already + 1 < largest.size() ? largest.back().member : nullptr;
    }

private:
    void rank(Members& members)
    {
        ranking_.emplace(Rank{members.size(), members.front().number}, &members);
    }

    void unrank(const Members& members)
    {
        if (!members.empty())
            ranking_.erase(Rank{members.size(), members.front().number});
    }

    std::size_t size_ = 0;
    std::uint64_t latest_ = 0;
    Groups groups_; // none is empty
    std::map<Rank, Members*> ranking_;
};

} // namespace tunnel
