// The filter of a pair, as one of its directions uses it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "common/relay/filter.hpp"

namespace tunnel {

// Hides from the direction which one it is. Cheap to copy.
class FilterUse {
public:
    enum class Side : std::uint8_t { forth, back };

    // What the filter has made of some bytes.
    struct Shown {
        std::span<const std::byte> left{}; // of them: they are shown again later
        bool is_broken = false;            // they make no sense
    };

    // There is none.
    FilterUse() = default;

    // Both must outlive it. `filter` becomes null once all passes as it is; `room` is for what the
    // filter makes of the bytes.
    FilterUse(std::unique_ptr<Filter>& filter, Side side, std::string& room)
        : filter_(&filter), room_(&room), side_(side)
    {
    }

    explicit operator bool() const { return filter_ != nullptr && *filter_ != nullptr; }

    // ---- If there is one

    bool is_done() const { return filter().is_done(); }

    bool wants_bytes() const { return side_ == Side::back || filter().wants_forth(); }

    // So many of the next bytes pass without being shown.
    std::uint64_t unseen() const
    {
        return side_ == Side::forth ? filter().unseen_forth() : filter().unseen_back();
    }

    void passed(std::uint64_t bytes) const
    {
        if (side_ == Side::forth)
            filter().passed_forth(bytes);
        else
            filter().passed_back(bytes);
    }

    Filter::AtEnd ended() const
    {
        return side_ == Side::forth ? filter().forth_ended() : filter().back_ended();
    }

    // What is to be sent instead stands in room() then, behind `header` bytes for a frame.
    Shown show(std::span<const std::byte> bytes, std::size_t header) const;

    std::span<std::byte> room() const { return std::as_writable_bytes(std::span(*room_)); }

private:
    Filter& filter() const { return **filter_; }

    std::unique_ptr<Filter>* filter_ = nullptr;
    std::string* room_ = nullptr;
    Side side_ = Side::forth;
};

} // namespace tunnel
