// A process that has run out of descriptors.
#pragma once

#include <sys/resource.h>
#include <unistd.h>

namespace tunnel::test {

// UBSan looks at an object through a pipe, and without descriptors takes it for a broken one. This
// tells that UBSan is here, since the two sanitizers are only used together.
#ifdef __SANITIZE_ADDRESS__
inline constexpr bool sanitizer_needs_descriptors = true;
#else
inline constexpr bool sanitizer_needs_descriptors = false;
#endif

// Lets no further descriptor be opened while it lives.
class NoMoreDescriptors {
public:
    NoMoreDescriptors()
    {
        ::getrlimit(RLIMIT_NOFILE, &before_);
        const int next = ::dup(0); // the lowest that is free
        ::close(next);
        rlimit none = before_;
        none.rlim_cur = static_cast<rlim_t>(next);
        ::setrlimit(RLIMIT_NOFILE, &none);
    }

    NoMoreDescriptors(const NoMoreDescriptors&) = delete;
    NoMoreDescriptors& operator=(const NoMoreDescriptors&) = delete;

    ~NoMoreDescriptors() { ::setrlimit(RLIMIT_NOFILE, &before_); }

private:
    rlimit before_{};
};

} // namespace tunnel::test
