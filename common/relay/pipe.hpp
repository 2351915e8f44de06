// Pipes of the kernel, where spliced bytes wait between two sockets without being copied.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "common/base/fd.hpp"

namespace tunnel {

class PipePool;

struct Pipe {
    Fd out;               // read from here
    Fd in;                // write to here
    std::size_t held = 0; // bytes in it
    PipePool* pool = nullptr;
};

// A bounded number of large pipes that are lent while a direction has much to move. A pipe's worth
// is its slots, not its bytes: one of the default size takes 16 pieces, however small. For one
// thread; must outlive its pipes.
class PipePool {
    struct ReturnToPool { // each direction has a lease, so it is no more than a pointer
        void operator()(Pipe* pipe) const;
    };

public:
    // Comes back to the pool when it is destroyed.
    using Lease = std::unique_ptr<Pipe, ReturnToPool>;

    explicit PipePool(std::size_t most) : most_(most) {}

    // Null when all are lent, or when the system grants none that is worth it: go on without.
    Lease take();

    std::size_t lent() const { return lent_; }

private:
    std::unique_ptr<Pipe> make();

    std::size_t most_;
    std::size_t lent_ = 0;
    std::uint32_t refused_ = 0; // so many take() to answer null before asking the system again
    std::vector<std::unique_ptr<Pipe>> free_;
};

} // namespace tunnel
