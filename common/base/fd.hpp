// Ownership of a file descriptor.
#pragma once

#include <utility>

namespace tunnel {

// Owns one descriptor and closes it when destroyed; -1 means none. There is no conversion to bool
// or int, because 0 is a valid descriptor.
class Fd {
public:
    Fd() = default;

    explicit Fd(int descriptor) : descriptor_(descriptor) {}

    Fd(Fd&& other) noexcept : descriptor_(other.release()) {}

    Fd& operator=(Fd&& other) noexcept
    {
        if (this != &other) {
            close();
            descriptor_ = other.release();
        }
        return *this;
    }

    ~Fd() { close(); }

    int get() const { return descriptor_; }

    bool is_open() const { return descriptor_ >= 0; }

    // The caller owns the descriptor from here on.
    int release() { return std::exchange(descriptor_, -1); }

    void close();

private:
    int descriptor_ = -1;
};

} // namespace tunnel
