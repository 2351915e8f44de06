#pragma once

#include <cstddef>

namespace tunnel {

// Is one more while it lives.
struct Counted {
    std::size_t& count;

    explicit Counted(std::size_t& which) : count(which) { ++count; }

    ~Counted() { --count; }
};

} // namespace tunnel
