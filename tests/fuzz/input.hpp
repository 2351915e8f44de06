// What the fuzz targets have in common: inputs, and what must be true of them.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string_view>

#include <unistd.h>

namespace tunnel::fuzz {

// Says what should have been true and ends the program, whereupon libFuzzer keeps the input.
inline void require(bool holds, const char* sentence)
{
    if (holds)
        return;
    ::dprintf(STDERR_FILENO, "not true: %s\n", sentence);
    std::abort();
}

// One input. Choices that a target has are taken from its end, so that a seed begins with what a
// peer would send.
class Input {
public:
    Input(const std::uint8_t* data, std::size_t size)
        : text_(reinterpret_cast<const char*>(data), size)
    {
    }

    // 0 if nothing is left.
    std::uint8_t choice()
    {
        if (text_.empty())
            return 0;
        const auto chosen = static_cast<std::uint8_t>(text_.back());
        text_.remove_suffix(1);
        return chosen;
    }

    std::string_view text() const { return text_; }

private:
    std::string_view text_;
};

// What is left of an input, in pieces whose sizes are the input's choice; a few hundred at most, so
// that no input takes long.
class Pieces {
public:
    explicit Pieces(Input input)
    {
        std::ranges::generate(sizes_, [&input] { return size_of(input.choice()); });
        rest_ = input.text();
        for (std::size_t& size : sizes_)
            size = std::max(size, rest_.size() / 256);
    }

    // Empty when nothing is left.
    std::string_view next()
    {
        const std::string_view piece = rest_.substr(0, sizes_[taken_++ % sizes_.size()]);
        rest_.remove_prefix(piece.size());
        return piece;
    }

    // What next() has not given yet.
    std::string_view rest() const { return rest_; }

private:
    // Every size up to 128, and some up to what no other input reaches.
    static std::size_t size_of(std::uint8_t choice)
    {
        return choice < 128 ? choice + 1u : (choice - 126u) * 64;
    }

    std::array<std::size_t, 4> sizes_{};
    std::size_t taken_ = 0;
    std::string_view rest_;
};

inline std::size_t big_endian(std::string_view bytes)
{
    std::size_t number = 0;
    for (const unsigned char byte : bytes)
        number = number << 8 | byte;
    return number;
}

} // namespace tunnel::fuzz
