#include <doctest/doctest.h>

#include <fcntl.h>
#include <unistd.h>

#include "common/base/fd.hpp"

using tunnel::Fd;

namespace {

Fd any_descriptor()
{
    return Fd(::open("/dev/null", O_RDONLY | O_CLOEXEC));
}

bool is_open(int descriptor)
{
    return ::fcntl(descriptor, F_GETFD) != -1;
}

} // namespace

TEST_CASE("a descriptor is closed at the end of its owner")
{
    int number = -1;
    {
        const Fd descriptor = any_descriptor();
        number = descriptor.get();
        CHECK(is_open(number));
    }
    CHECK_FALSE(is_open(number));
}

TEST_CASE("no descriptor is not open, descriptor 0 is")
{
    CHECK_FALSE(Fd().is_open());
    CHECK(Fd().get() == -1);
    Fd standard_input(0);
    CHECK(standard_input.is_open());
    CHECK(standard_input.release() == 0);
}

TEST_CASE("a descriptor that is moved has one owner")
{
    Fd first = any_descriptor();
    const int number = first.get();
    Fd second(std::move(first));
    CHECK_FALSE(first.is_open()); // NOLINT(bugprone-use-after-move): that is what is tested
    CHECK(second.get() == number);
    CHECK(is_open(number));
}

TEST_CASE("a descriptor that is assigned to closes the one it had")
{
    Fd first = any_descriptor();
    Fd second = any_descriptor();
    const int number = first.get();
    const int replaced = second.get();
    second = std::move(first);
    CHECK(second.get() == number);
    CHECK(is_open(number));
    CHECK_FALSE(is_open(replaced));
}

TEST_CASE("a descriptor survives being assigned to itself")
{
    Fd descriptor = any_descriptor();
    Fd& same = descriptor;
    descriptor = std::move(same);
    CHECK(descriptor.is_open());
    CHECK(is_open(descriptor.get()));
}

TEST_CASE("a released descriptor stays open, a closed one is closed once")
{
    Fd descriptor = any_descriptor();
    const int number = descriptor.release();
    CHECK_FALSE(descriptor.is_open());
    descriptor.close();
    CHECK(is_open(number));
    Fd again(number);
    again.close();
    CHECK_FALSE(is_open(number));
    again.close();
    CHECK(again.release() == -1);
}
