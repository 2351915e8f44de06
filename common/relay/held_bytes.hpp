// Bytes that wait in this process' memory.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <span>

namespace tunnel {

// What a receiver did not take when it was read, or what is to go out first. Of the former only a
// blocked direction has some, and never more than fits the worker's buffer. One pointer, since each
// idle visitor has four of these.
class HeldBytes {
public:
    bool empty() const { return block_ == nullptr; }

    // With what has been taken of it.
    std::size_t size() const { return block_ ? block_->end : 0; }

    std::span<const std::byte> left() const
    {
        if (!block_)
            return {};
        return {bytes_of(*block_) + block_->begin, bytes_of(*block_) + block_->end};
    }

    // Behind what is left.
    void add(std::span<const std::byte> bytes)
    {
        const std::span<const std::byte> before = left();
        const std::size_t size = before.size() + bytes.size();
        std::unique_ptr<Block, Free> all(::new (::operator new(sizeof(Block) + size))
                                             Block{0, static_cast<std::uint32_t>(size)});
        std::ranges::copy(before, bytes_of(*all));
        std::ranges::copy(bytes, bytes_of(*all) + before.size());
        block_ = std::move(all);
    }

    // All but the last `size` of them have been taken.
    void keep_last(std::size_t size)
    {
        if (size == 0)
            block_.reset();
        else
            block_->begin = block_->end - static_cast<std::uint32_t>(size);
    }

private:
    // The bytes follow it.
    struct Block {
        std::uint32_t begin; // of what is left
        std::uint32_t end;
    };

    struct Free {
        void operator()(Block* block) const { ::operator delete(block); }
    };

    static std::byte* bytes_of(Block& block) { return reinterpret_cast<std::byte*>(&block + 1); }

    std::unique_ptr<Block, Free> block_; // null rather than empty
};

} // namespace tunnel
