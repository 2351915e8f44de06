#include "common/takeover/background.hpp"

#include <array>
#include <cerrno>
#include <cstdlib>
#include <utility>

#include <fcntl.h>
#include <unistd.h>

#include "common/base/error.hpp"

namespace tunnel {

namespace {

constexpr char serves = '1';

// Of the child, which writes one byte or ends.
int wait_for_child(const Fd& child)
{
    char said = 0;
    ssize_t size = 0;
    do {
        size = ::read(child.get(), &said, sizeof said);
    } while (size < 0 && errno == EINTR);
    return size == sizeof said && said == serves ? EXIT_SUCCESS : EXIT_FAILURE;
}

} // namespace

Background::Background(Fd to_parent) : to_parent_(std::move(to_parent)) {}

Background Background::enter()
{
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0)
        fail(last_error(), "cannot go into the background");
    Fd from_child(ends[0]);
    Fd to_parent(ends[1]);
    const pid_t child = ::fork();
    if (child < 0)
        fail(last_error(), "cannot go into the background");
    if (child > 0) {
        to_parent.close();
        std::_Exit(wait_for_child(from_child));
    }
    return Background(std::move(to_parent));
}

void Background::is_serving()
{
    [[maybe_unused]] const ssize_t size = ::write(to_parent_.get(), &serves, sizeof serves);
    to_parent_.close();
}

} // namespace tunnel
