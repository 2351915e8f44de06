#pragma once

#include <cstddef>

namespace tunnel {

// Adds one to a number while it lives.
struct Counted {
    std::size_t& count;

    explicit Counted(std::size_t& which) : count(which) { ++count; }

    ~Counted() { --count; }
};

} // namespace tunnel
