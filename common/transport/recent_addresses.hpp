// What is remembered of the addresses that were here lately.
#pragma once

#include <cstddef>
#include <list>
#include <map>

#include "common/transport/cidr.hpp"

namespace tunnel {

// A table of bounded size: a new address beyond the capacity takes the place of the one that was
// not touched for longest. A tree, since strangers choose the keys: whatever they choose, finding
// one of 65,536 takes 16 comparisons, where a hash table could be made to collide.
template <class Value>
class RecentAddresses {
public:
    // `capacity` is at least 1.
    explicit RecentAddresses(std::size_t capacity) : capacity_(capacity) {}

    RecentAddresses(const RecentAddresses&) = delete;
    RecentAddresses& operator=(const RecentAddresses&) = delete;

    std::size_t size() const { return entries_.size(); }

    // nullptr: nothing is remembered. Valid until the next change.
    const Value* find(const Cidr& address) const
    {
        const auto found = by_address_.find(address);
        return found == by_address_.end() ? nullptr : &found->second->value;
    }

    // What is remembered, or a new Value(); from now on the address is the last to be forgotten.
    // Valid until the next change.
    Value& touch(const Cidr& address)
    {
        const auto [place, is_new] = by_address_.try_emplace(address);
        if (!is_new) {
            entries_.splice(entries_.end(), entries_, place->second);
            return place->second->value;
        }
        place->second = entries_.insert(entries_.end(), Entry{place, Value()});
        if (entries_.size() > capacity_)
            forget_oldest();
        return place->second->value;
    }

    // Of the address that was not touched for longest; nullptr if there is none.
    const Value* oldest() const { return entries_.empty() ? nullptr : &entries_.front().value; }

    // There must be one.
    void forget_oldest()
    {
        by_address_.erase(entries_.front().place);
        entries_.pop_front();
    }

    void forget(const Cidr& address)
    {
        const auto found = by_address_.find(address);
        if (found == by_address_.end())
            return;
        entries_.erase(found->second);
        by_address_.erase(found);
    }

private:
    struct Entry;
    using Entries = std::list<Entry>;
    using ByAddress = std::map<Cidr, typename Entries::iterator>;

    struct Entry {
        typename ByAddress::iterator place;
        Value value;
    };

    std::size_t capacity_;
    Entries entries_; // by the time they were touched
    ByAddress by_address_;
};

} // namespace tunnel
