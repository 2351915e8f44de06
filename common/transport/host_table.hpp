// Finds what belongs to a host name.
#pragma once

#include <string>
#include <string_view>
#include <unordered_map>

#include "common/transport/host_name.hpp"

namespace tunnel {

// From patterns to values. The most specific pattern wins: the name itself, then the longest
// "*.name", then "*". A search takes as many steps as the name has labels, however many patterns
// there are. Patterns and names are canonical.
template <class Value>
class HostTable {
public:
    // Replaces what there is for the same pattern.
    void put(std::string_view pattern, Value value)
    {
        all_[std::string(pattern)] = std::move(value);
    }

    void remove(std::string_view pattern)
    {
        if (const auto found = all_.find(pattern); found != all_.end())
            all_.erase(found);
    }

    // What was put for this pattern; null: nothing.
    const Value* at(std::string_view pattern) const
    {
        const auto found = all_.find(pattern);
        return found == all_.end() ? nullptr : &found->second;
    }

    // What the name belongs to; null: nothing. The empty name belongs to "*".
    const Value* find(std::string_view name) const
    {
        if (const Value* const exact = name.empty() ? nullptr : at(name))
            return exact;
        std::string pattern = "*";
        for (std::size_t dot = name.find('.'); dot != std::string_view::npos;
             dot = name.find('.', dot + 1)) {
            pattern.resize(1);
            pattern += name.substr(dot);
            if (const Value* const below = at(pattern))
                return below;
        }
        return at("*");
    }

    bool empty() const { return all_.empty(); }

    std::size_t size() const { return all_.size(); }

    auto begin() const { return all_.begin(); }

    auto end() const { return all_.end(); }

private:
    struct Hash : std::hash<std::string_view> {
        using is_transparent = void;
    };

    std::unordered_map<std::string, Value, Hash, std::equal_to<>> all_;
};

} // namespace tunnel
