// Bytes that wait in this process' memory.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>

namespace tunnel {

// What a receiver did not take when it was read. Only a blocked direction has some, and never more
// than fits the worker's buffer.
class HeldBytes {
public:
    bool empty() const { return bytes_ == nullptr; }

    // With what has been taken of it.
    std::size_t size() const { return end_; }

    std::span<const std::byte> left() const { return {bytes_.get() + begin_, bytes_.get() + end_}; }

    // Behind what is left.
    void add(std::span<const std::byte> bytes)
    {
        const std::span<const std::byte> before = left();
        auto all = std::make_unique_for_overwrite<std::byte[]>(before.size() + bytes.size());
        std::ranges::copy(before, all.get());
        std::ranges::copy(bytes, all.get() + before.size());
        begin_ = 0;
        end_ = static_cast<std::uint32_t>(before.size() + bytes.size());
        bytes_ = std::move(all);
    }

    // All but the last `size` of them have been taken.
    void keep_last(std::size_t size)
    {
        begin_ = end_ - static_cast<std::uint32_t>(size);
        if (size == 0)
            *this = HeldBytes();
    }

private:
    std::unique_ptr<std::byte[]> bytes_;
    std::uint32_t begin_ = 0;
    std::uint32_t end_ = 0;
};

} // namespace tunnel
