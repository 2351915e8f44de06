#include <doctest/doctest.h>

#include "common/base/units.hpp"

using namespace std::chrono_literals;
using namespace std::string_view_literals;
using tunnel::parse_duration;
using tunnel::to_string;

TEST_CASE("a duration is read in each of its units")
{
    CHECK(parse_duration("250ms") == 250ms);
    CHECK(parse_duration("5s") == 5s);
    CHECK(parse_duration("2m") == 2min);
    CHECK(parse_duration("1h") == 1h);
    CHECK(parse_duration("0") == 0ms);
    CHECK(parse_duration("0h") == 0ms);
    CHECK(parse_duration("007s") == 7s);
}

TEST_CASE("what is not a duration is refused")
{
    for (const auto text : {"",     " ",    "s",     "ms",  "5",    "00005", "5 s",  " 5s",
                            "5s ",  "5s\n", "1d",    "1w",  "5S",   "5Ms",   "5sec", "1.5s",
                            "1,5s", "1e3s", "0x10s", "+5s", "5s5s", "1m30s", "s5",   "five"}) {
        CAPTURE(text);
        CHECK_FALSE(parse_duration(text));
    }
    CHECK_FALSE(parse_duration("5s\0"sv));
    CHECK_FALSE(parse_duration("5\0s"sv));
}

TEST_CASE("a duration is never negative")
{
    CHECK_FALSE(parse_duration("-5s"));
    CHECK_FALSE(parse_duration("-1ms"));
    CHECK_FALSE(parse_duration("--5s"));
    CHECK_FALSE(parse_duration("-0"));
    CHECK_FALSE(parse_duration("-0s"));
    CHECK_FALSE(parse_duration("-9223372036854775808ms"));
}

TEST_CASE("ten thousand hours are the longest duration, in every unit")
{
    CHECK(parse_duration("10000h") == 10'000h);
    CHECK_FALSE(parse_duration("10001h"));
    CHECK(parse_duration("600000m") == 10'000h);
    CHECK_FALSE(parse_duration("600001m"));
    CHECK(parse_duration("36000000s") == 10'000h);
    CHECK_FALSE(parse_duration("36000001s"));
    CHECK(parse_duration("36000000000ms") == 10'000h);
    CHECK_FALSE(parse_duration("36000000001ms"));
}

TEST_CASE("a number that overflows is no duration")
{
    CHECK_FALSE(parse_duration("9223372036854775807h")); // times 3'600'000 it would wrap around
    CHECK_FALSE(parse_duration("9223372036854775807ms"));
    CHECK_FALSE(parse_duration("9223372036854775808ms"));
    CHECK_FALSE(parse_duration("5124095576030432h")); // 2^64 ms and a little
    CHECK_FALSE(parse_duration(std::string(1000, '9') + "s"));
}

TEST_CASE("a duration is written in the largest unit that fits")
{
    CHECK(to_string(0ms) == "0");
    CHECK(to_string(1ms) == "1ms");
    CHECK(to_string(999ms) == "999ms");
    CHECK(to_string(1000ms) == "1s");
    CHECK(to_string(1001ms) == "1001ms");
    CHECK(to_string(90s) == "90s");
    CHECK(to_string(5min) == "5m");
    CHECK(to_string(90min) == "90m");
    CHECK(to_string(48h) == "48h");
}

TEST_CASE("a duration that was written is read back as it was")
{
    for (std::int64_t count = 0; count < 36'000'000'000; count += 1 + count / 7) {
        const tunnel::milliseconds duration(count);
        CAPTURE(count);
        CHECK(parse_duration(to_string(duration)) == duration);
    }
    CHECK(parse_duration(to_string(10'000h)) == 10'000h);
}

TEST_CASE("a rate is read in each of its units, as bytes a second")
{
    using tunnel::parse_rate;
    CHECK(parse_rate("2048B/s") == 2048);
    CHECK(parse_rate("512KiB/s") == 512 * 1024);
    CHECK(parse_rate("3MiB/s") == 3 * 1024 * 1024);
    CHECK(parse_rate("2GiB/s") == 2'147'483'648);
    CHECK(parse_rate("10kB/s") == 10'000);
    CHECK(parse_rate("10MB/s") == 10'000'000);
    CHECK(parse_rate("1000GB/s") == 1'000'000'000'000);
    CHECK(parse_rate("80kbit/s") == 10'000);
    CHECK(parse_rate("100Mbit/s") == 12'500'000);
    CHECK(parse_rate("10Gbit/s") == 1'250'000'000);
}

TEST_CASE("what is not a rate, or too low or high for one, is refused")
{
    for (const auto text :
         {"", "KiB/s", "512", "512KiB", "512 KiB/s", "-1KiB/s", "1.5MB/s", "512kib/s", "1MBit/s",
          "10MB/s ", "1KiB/s\n", "0", "0KiB/s", "1023B/s", "8kbit/s", "1001GB/s",
          "18446744073709551615B/s", "18446744073709551615GB/s", "99999999999999999999KiB/s"}) {
        CAPTURE(text);
        CHECK_FALSE(tunnel::parse_rate(text));
    }
    CHECK(tunnel::parse_rate("1KiB/s") == 1024);
}
