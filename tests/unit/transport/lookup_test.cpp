// Look-ups of names that take long: this program's getaddrinfo stands before the system's.
#include <doctest/doctest.h>

#include <atomic>
#include <semaphore>
#include <string_view>

#include <dlfcn.h>
#include <netdb.h>

#include "common/base/lookups.hpp"
#include "common/transport/address.hpp"
#include "tests/unit/io.hpp"

using namespace std::chrono_literals;
using namespace tunnel;
using namespace tunnel::test;

namespace {

std::binary_semaphore slow_may_answer{0};
std::atomic<int> asked_for_abandoned = 0;

} // namespace

// Asio has one thread for all look-ups, which answers them one by one.
extern "C" int getaddrinfo(const char* name, const char* service, const addrinfo* hints,
                           addrinfo** found)
{
    static const auto real =
        reinterpret_cast<decltype(&getaddrinfo)>(::dlsym(RTLD_NEXT, "getaddrinfo"));
    const std::string_view asked = name != nullptr ? name : "";
    if (asked == "slow.test") {
        [[maybe_unused]] const bool in_time = slow_may_answer.try_acquire_for(patience);
        return EAI_AGAIN;
    }
    if (asked == "abandoned.test") {
        ++asked_for_abandoned;
        return EAI_NONAME;
    }
    return real(name, service, hints, found);
}

TEST_CASE("a look-up that nobody waits for any more is not made, so it delays none that follows")
{
    asio::io_context io;
    const auto slow = failure_of(io, resolve(Address{"slow.test", 80}, 20ms));
    CHECK(slow.code() == std::errc::timed_out);
    for (int i = 0; i < 20; ++i) {
        const auto abandoned = failure_of(io, resolve(Address{"abandoned.test", 80}, -1ms));
        CHECK(abandoned.code() == std::errc::timed_out);
    }
    CHECK(lookups_under_way() == 21);
    slow_may_answer.release();
    CHECK_FALSE(failure_of(io, resolve(Address{"localhost", 80}, 10s)).code());
    CHECK(asked_for_abandoned == 0);
    CHECK(run_until(io, [] { return lookups_under_way() == 0; }));
}

TEST_CASE(
    "localhost means both loopback addresses, however it is written and whatever is in a file")
{
    asio::io_context io;
    for (const char* const name : {"localhost", "LOCALHOST", "localhost.", "app.localhost", ""}) {
        CAPTURE(name);
        std::vector<tcp::endpoint> found;
        const Address address{name, 80};
        run(io, [&]() -> awaitable<void> { found = co_await resolve(address, 10s); });
        CHECK(found == std::vector<tcp::endpoint>{{asio::ip::make_address("127.0.0.1"), 80},
                                                  {asio::ip::make_address("::1"), 80}});
    }
}
