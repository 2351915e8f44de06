// What an idle visitor costs in memory.
#include <doctest/doctest.h>

#include <vector>

#include <malloc.h>
#include <sys/resource.h>

#include "tests/support/proxies.hpp"

using namespace tunnel;
using namespace tunnel::test;

namespace {

// Their own allocators do not count as this one does.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool has_other_malloc = true;
#else
constexpr bool has_other_malloc = false;
#endif

// All that this process has from malloc(), with the allocator's own headers.
std::size_t allocated()
{
    const struct mallinfo2 now = ::mallinfo2();
    return now.uordblks + now.hblkhd;
}

} // namespace

// docs/performance.md lists what it is made of. Counted in both programs together: the ends of the
// test have descriptors alone.
TEST_CASE("an idle visitor takes no more memory in both programs together than is said of it" *
          doctest::skip(has_other_malloc))
{
    constexpr std::size_t first = 64; // so many fill what both keep for any number of visitors
    constexpr std::size_t more = 256;
    constexpr std::size_t most_bytes = 1130; // 1,064 were measured
    rlimit limit{};
    ::getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &limit); // six for each visitor
    Server origin_server;
    RemoteOptions remote_settings = remote_options();
    remote_settings.common.relay_threads = 1;
    RunningRemote remote(remote_settings);
    OriginOptions origin_settings =
        origin_options(remote.proxy().control_endpoint(), origin_server.endpoint());
    origin_settings.common.relay_threads = 1;
    RunningOrigin origin(origin_settings, nullptr);
    CHECK(eventually([&] {
        return origin.on_its_thread([](OriginProxy& proxy) { return proxy.logged_in(); });
    }));
    std::vector<Stream> ends;
    ends.reserve(2 * (first + more));
    const auto visit = [&] {
        Stream visitor = Stream::connect(remote.proxy().outside_endpoint());
        visitor.send("?");
        Stream server = origin_server.accept();
        CHECK(server.receive(1) == "?");
        server.send("!");
        CHECK(visitor.receive(1) == "!");
        ends.push_back(std::move(visitor));
        ends.push_back(std::move(server));
    };
    for (std::size_t i = 0; i < first; ++i)
        visit();
    const std::size_t before = allocated();
    for (std::size_t i = 0; i < more; ++i)
        visit();
    const std::size_t bytes_each = (allocated() - before) / more;
    CAPTURE(bytes_each);
    CHECK(bytes_each <= most_bytes);
    CHECK(bytes_each > most_bytes / 2); // else it was not counted
}
