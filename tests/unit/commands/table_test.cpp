#include <doctest/doctest.h>

#include "common/commands/table.hpp"

using namespace tunnel;

TEST_CASE("columns are as wide as what is in them, and numbers end in one line")
{
    Table table({{"NAME"}, {"VISITORS", Table::Align::right}, {"STATE"}});
    CHECK(table.empty());
    table.add({"web", "5", "open"});
    table.add({"a-longer-name", "123456789", "closed"});
    CHECK_FALSE(table.empty());
    CHECK(table.text() == "NAME            VISITORS  STATE\n"
                          "web                    5  open\n"
                          "a-longer-name  123456789  closed\n");
}

TEST_CASE("a table without rows has its titles, and an empty cell is shown as one")
{
    Table table({{"ONE"}, {"TWO"}});
    CHECK(table.text() == "ONE  TWO\n");
    table.add({"", ""});
    CHECK(table.text() == "ONE  TWO\n-    -\n");
}

TEST_CASE("no control character of a cell reaches the terminal, and a long one is cut")
{
    Table table({{"NAME"}, {"END"}});
    table.add({"a\x1b[2J\n\xc3\xa4", "x"});
    CHECK(table.text() == "NAME                  END\n"
                          "a\\x1b[2J\\x0a\\xc3\\xa4  x\n");
    Table cut({{"NAME"}, {"END"}});
    cut.add({std::string(Table::widest, 'a'), "x"});
    cut.add({std::string(Table::widest + 1, 'b'), "y"});
    cut.add({std::string(100'000, '\n'), "z"});
    const std::string text = cut.text();
    CHECK(text.find(std::string(Table::widest, 'a') + "  x\n") != std::string::npos);
    CHECK(text.find(std::string(Table::widest - 3, 'b') + "...  y\n") != std::string::npos);
    CHECK(text.find("...  z\n") != std::string::npos);
    CHECK(text.size() < 4 * (Table::widest + 10));
}

TEST_CASE("bytes, ages and round trips are written for people")
{
    CHECK(human_bytes(0) == "0 B");
    CHECK(human_bytes(1023) == "1023 B");
    CHECK(human_bytes(1024) == "1.0 KiB");
    CHECK(human_bytes(1536) == "1.5 KiB");
    CHECK(human_bytes(1024 * 1024 - 1) == "1.0 MiB");
    CHECK(human_bytes(300'000'207) == "286.1 MiB");
    CHECK(human_bytes(~std::uint64_t{0}) == "16.0 EiB");
    CHECK(human_age(0.4) == "0s");
    CHECK(human_age(59.9) == "59s");
    CHECK(human_age(185) == "3m 05s");
    CHECK(human_age(2 * 3600 + 59) == "2h 00m");
    CHECK(human_age(12 * 86400 + 3 * 3600) == "12d 03h");
    CHECK(human_age(-1) == "0s");
    CHECK(human_age(1e300) == human_age(1e12));
    CHECK(human_round_trip(0.00008) == "0.08 ms");
    CHECK(human_round_trip(0.0213) == "21.3 ms");
    CHECK(counted(0, "visitor") == "0 visitors");
    CHECK(counted(1, "visitor") == "1 visitor");
}

TEST_CASE("a table that is too wide has its long texts cut, and then columns left out")
{
    Table table({{"NAME"},
                 {"ADDRESS"},
                 {"VERSION", Table::Align::left, 1},
                 {"VISITORS", Table::Align::right},
                 {"TOTAL", Table::Align::right, 2}});
    table.add({"web", "[2001:db8:1234:5678:9abc:def0:1234:5678]:44300", "0.1.0", "5", "77"});
    const auto widest_line = [&table](std::size_t columns) {
        const std::string text = table.text(columns);
        std::size_t widest = 0;
        for (std::size_t at = 0; at < text.size();) {
            const std::size_t end = text.find('\n', at);
            widest = std::max(widest, end - at);
            at = end + 1;
        }
        return widest;
    };
    for (std::size_t columns = 40; columns < 100; ++columns)
        CHECK(widest_line(columns) <= columns);
    const std::string at_60 = table.text(60);
    CHECK(at_60.find("TOTAL") != std::string::npos);
    CHECK(at_60.find("...") != std::string::npos);
    CHECK(at_60.find("44300") != std::string::npos); // the end says which it is
    const std::string at_40 = table.text(40);
    CHECK(at_40.find("TOTAL") == std::string::npos);
    CHECK(at_40.find("VISITORS") != std::string::npos);
    CHECK(table.text(1000) == table.text());
}
