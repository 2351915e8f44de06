#include <doctest/doctest.h>

#include "common/base/tally.hpp"
#include "tests/unit/captured.hpp"

using namespace std::chrono_literals;
using namespace tunnel;
using namespace tunnel::test;

namespace {

constexpr Clock::time_point noon{12h};

// The one line that `function` logs, without its time; "" if it logs none.
template <class Function>
std::string line_of(const Function& function)
{
    const std::string text = log_of(function);
    return text.substr(std::min(text.find(' '), text.size()));
}

} // namespace

TEST_CASE("the first occurrence is written at once")
{
    Tally tally("closed a connection", Code::stranger);
    CHECK(line_of([&] { tally.count("192.0.2.1:5", "spoke HTTP", noon); }) ==
          " warn  closed a connection count=1 total=1 peer=192.0.2.1:5 code=stranger "
          "reason=\"spoke HTTP\"\n");
    CHECK(tally.total() == 1);
}

TEST_CASE("what happens in the interval is written as one sum after it, with the last as example")
{
    Tally tally("closed a connection", Code::stranger, 1min);
    CHECK(line_of([&] { tally.count("a", "one", noon); }) != "");
    CHECK(line_of([&] {
              for (int i = 0; i < 10'000; ++i)
                  tally.count("b", "two", noon + 59s);
          }) == "");
    CHECK(tally.total() == 10'001);
    CHECK(line_of([&] { tally.count("c", "three", noon + 60s); }) ==
          " warn  closed a connection count=10001 total=10002 peer=c code=stranger reason=three\n");
    CHECK(line_of([&] { tally.count("d", "four", noon + 119s); }) == "");
}

TEST_CASE("an occurrence after a quiet interval is written at once")
{
    Tally tally("closed a connection", Code::stranger, 1min);
    CHECK(line_of([&] { tally.count("a", "one", noon); }) != "");
    CHECK(line_of([&] { tally.count("b", "two", noon + 1h); }) ==
          " warn  closed a connection count=1 total=2 peer=b code=stranger reason=two\n");
}

TEST_CASE("flush writes what is due, and at the end of the program what is left")
{
    Tally tally("closed a connection", Code::stranger, 1min);
    CHECK(line_of([&] { tally.flush(std::nullopt); }) == "");
    CHECK(line_of([&] { tally.count("a", "one", noon); }) != "");
    CHECK(line_of([&] { tally.flush(noon + 2min); }) == "");
    CHECK(line_of([&] { tally.count("b", "two", noon + 1s); }) == "");
    CHECK(line_of([&] { tally.flush(noon + 59s); }) == "");
    SUBCASE("due")
    {
        CHECK(line_of([&] { tally.flush(noon + 60s); }) ==
              " warn  closed a connection count=1 total=2 peer=b code=stranger reason=two\n");
    }
    SUBCASE("at the end")
    {
        CHECK(line_of([&] { tally.flush(std::nullopt); }) ==
              " warn  closed a connection count=1 total=2 peer=b code=stranger reason=two\n");
    }
    CHECK(line_of([&] { tally.flush(std::nullopt); }) == "");
}

TEST_CASE("what is not written yet is due when the interval is over")
{
    Tally tally("closed a connection", Code::stranger, 1min);
    CHECK(tally.due() == std::nullopt);
    CHECK(line_of([&] { tally.count("a", "one", noon); }) != "");
    CHECK(tally.due() == std::nullopt);
    CHECK(line_of([&] { tally.count("b", "two", noon + 5s); }) == "");
    CHECK(tally.due() == noon + 1min);
    CHECK(line_of([&] { tally.flush(tally.due()); }) != "");
    CHECK(tally.due() == std::nullopt);
    CHECK(line_of([&] { tally.count("c", "three", noon + 61s); }) == "");
    CHECK(tally.due() == noon + 2min);
}
