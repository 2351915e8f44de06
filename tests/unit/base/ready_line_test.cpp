#include "common/base/ready_line.hpp"

#include <doctest/doctest.h>

using namespace tunnel;

namespace {

const auto moment = std::chrono::system_clock::from_time_t(1704164645);

} // namespace

TEST_CASE("a ready line of text has all that is known, and no byte that is not printable")
{
    const ReadyLine line{{{"control", "0.0.0.0:9001"}}, {{"web", "0.0.0.0:80"}, {"a\n", "\x1b[m"}}};
    CHECK(render(line, log::Format::text, moment) ==
          R"(ready control=0.0.0.0:9001 web=0.0.0.0:80 a\x0a=\x1b[m)");
    CHECK(render({{}, {}}, log::Format::text, moment) == "ready");
}

TEST_CASE("a ready line in JSON has the same, with the services apart since they have any name")
{
    const ReadyLine line{{{"remote", "192.0.2.1:9001"}},
                         {{"remote", "192.0.2.1:80"}, {"bad\xff", "x"}}};
    CHECK(render(line, log::Format::json, moment) ==
          R"({"time":"2024-01-02T03:04:05.000Z","level":"info","message":"ready",)"
          R"("remote":"192.0.2.1:9001","services":{"remote":"192.0.2.1:80","bad\ufffd":"x"}})");
    CHECK(render({{{"outside", "[::]:80"}}, {}}, log::Format::json, moment)
              .ends_with(R"("message":"ready","outside":"[::]:80"})"));
}
