#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "tests/unit/captured.hpp"

using namespace std::chrono_literals;
using namespace std::string_literals;
using namespace tunnel;
using namespace tunnel::log;

namespace {

const auto moment = std::chrono::system_clock::from_time_t(1704164645) + 67ms;

std::string text(std::string_view message, Fields fields = {}, Level level = Level::info)
{
    return render(Format::text, moment, level, message, fields, false);
}

std::string json(std::string_view message, Fields fields = {}, Level level = Level::info)
{
    return render(Format::json, moment, level, message, fields, false);
}

// How a value is written: text("m", ...) without what stands before it.
std::string value(const Field& field)
{
    const std::string line = text("m", {field});
    return line.substr(line.find('=') + 1);
}

} // namespace

TEST_CASE("a line of text has time, level, message and fields")
{
    CHECK(text("visitor left", {{"peer", "192.0.2.1:80"}, {"bytes", 1234}}) ==
          "2024-01-02T03:04:05.067Z info  visitor left peer=192.0.2.1:80 bytes=1234");
    CHECK(text("m", {}, Level::error) == "2024-01-02T03:04:05.067Z error m");
    CHECK(text("m", {}, Level::warn) == "2024-01-02T03:04:05.067Z warn  m");
    CHECK(text("m", {}, Level::debug) == "2024-01-02T03:04:05.067Z debug m");
}

TEST_CASE("each line has its own time, also of another second, day or year")
{
    const auto time_of = [](std::chrono::system_clock::time_point time) {
        const std::string line = render(Format::text, time, Level::info, "m", {}, false);
        return line.substr(0, line.find(' '));
    };
    CHECK(time_of(moment) == "2024-01-02T03:04:05.067Z");
    CHECK(time_of(moment + 5ms) == "2024-01-02T03:04:05.072Z");
    CHECK(time_of(moment + 1s) == "2024-01-02T03:04:06.067Z");
    CHECK(time_of(moment + 24h * 365) == "2025-01-01T03:04:05.067Z");
    CHECK(time_of(moment) == "2024-01-02T03:04:05.067Z");
}

TEST_CASE("a line of JSON has the same in the same order")
{
    CHECK(json("visitor left", {{"peer", "192.0.2.1:80"}, {"bytes", 1234}, {"duration", 1500ms}}) ==
          R"({"time":"2024-01-02T03:04:05.067Z","level":"info","message":"visitor left",)"
          R"("peer":"192.0.2.1:80","bytes":1234,"duration_seconds":1.5})");
}

TEST_CASE("a field with an empty key is left out")
{
    CHECK(text("m", {{"", "nothing"}, {"k", "v"}}) == "2024-01-02T03:04:05.067Z info  m k=v");
    CHECK(json("m", {{"", 1}}) ==
          R"({"time":"2024-01-02T03:04:05.067Z","level":"info","message":"m"})");
}

TEST_CASE("only the level has a colour")
{
    CHECK(render(Format::text, moment, Level::error, "m", {{"k", "v"}}, true) ==
          "2024-01-02T03:04:05.067Z \x1b[31merror\x1b[0m m k=v");
    CHECK(render(Format::text, moment, Level::warn, "m", {}, true) ==
          "2024-01-02T03:04:05.067Z \x1b[33mwarn \x1b[0m m");
}

TEST_CASE("a value that is not one plain word is quoted")
{
    CHECK(value({"k", "plain-word_1.2:3/4"}) == "plain-word_1.2:3/4");
    CHECK(value({"k", ""}) == R"("")");
    CHECK(value({"k", "two words"}) == R"("two words")");
    CHECK(value({"k", "a=b"}) == R"("a=b")");
    CHECK(value({"k", R"(say "hi")"}) == R"("say \"hi\"")");
    CHECK(value({"k", R"(back\slash)"}) == R"("back\\slash")");
}

TEST_CASE("text from the network cannot forge a line or reach the terminal")
{
    CHECK(value({"k", "a\r\nb"}) == R"("a\x0d\x0ab")");
    CHECK(value({"k", "\x1b[31mred"}) == R"("\x1b[31mred")");
    CHECK(value({"k", "nul\0nul"s}) == R"("nul\x00nul")");
    CHECK(value({"k", "\x7f\t"}) == R"("\x7f\x09")");
    CHECK(value({"k", "h\xc3\xb6st"}) == R"("h\xc3\xb6st")");
    CHECK(value({"k", "\xff\x9b"}) == R"("\xff\x9b")");
    CHECK(text("a\nb \"c\" \\ \x1b") == R"(2024-01-02T03:04:05.067Z info  a\x0ab \"c\" \\ \x1b)");
}

TEST_CASE("text for a place other than the log is escaped alike")
{
    CHECK(escape("plain words = 1") == "plain words = 1");
    CHECK(escape("a\r\n\x1b \"b\" \\ h\xc3\xb6st") == R"(a\x0d\x0a\x1b \"b\" \\ h\xc3\xb6st)");
    CHECK(escape("") == "");
}

TEST_CASE("no byte at all makes a line of more than printable ASCII")
{
    std::string every_byte;
    for (int byte = 0; byte < 256; ++byte)
        every_byte += static_cast<char>(byte);
    for (const std::string& line :
         {text(every_byte, {{"k", every_byte}}), json(every_byte, {{"k", every_byte}})}) {
        CHECK(std::ranges::all_of(line, [](char c) { return c >= ' ' && c <= '~'; }));
    }
}

TEST_CASE("JSON stays JSON, also with text that is not UTF-8")
{
    CHECK(json("a\r\n\"b\"\x1b").ends_with(R"("message":"a\r\n\"b\"\u001b"})"));
    CHECK(json("h\xc3\xb6st").ends_with(R"("message":"h\u00f6st"})"));
    CHECK(json("bad \xff byte").ends_with(R"("message":"bad \ufffd byte"})"));
    CHECK(json("m", {{"k", "cut \xe2\x82"}}).ends_with(R"("k":"cut \ufffd"})"));
    CHECK(json("m", {{"k", ""}}).ends_with(R"("k":""})"));
    std::string every_byte;
    for (int byte = 0; byte < 256; ++byte)
        every_byte += static_cast<char>(byte);
    const auto parsed = nlohmann::json::parse(json(every_byte, {{"k", every_byte}}));
    CHECK(parsed.size() == 4);
}

TEST_CASE("numbers are written whole and durations in seconds")
{
    CHECK(value({"k", 0}) == "0");
    CHECK(value({"k", UINT64_MAX}) == "18446744073709551615");
    CHECK(value({"k", std::uint8_t(7)}) == "7");
    CHECK(value({"k", 0ms}) == "0.000s");
    CHECK(value({"k", 1500ms}) == "1.500s");
    CHECK(value({"k", 999us}) == "0.001s");
    CHECK(value({"k", 2h}) == "7200.000s");
    CHECK(json("m", {{"k", UINT64_MAX}}).ends_with(R"("k":18446744073709551615})"));
    CHECK(value({"k", Bytes{82}}) == "82");
    CHECK(json("m", {{"k", 250ms}}).ends_with(R"("k_seconds":0.25})"));
    CHECK(json("m", {{"retry-in", 25ms}}).ends_with(R"("retry_in_seconds":0.025})"));
    CHECK(json("m", {{"up", Bytes{82}}}).ends_with(R"("up_bytes":82})"));
}

TEST_CASE("a line is written if its level is wanted")
{
    const std::string lines = tunnel::test::log_of([] { // warn and worse
        error("one");
        warn("two", {{"k", "v"}});
        info("three");
        debug("four");
    });
    CHECK(std::ranges::count(lines, '\n') == 2);
    CHECK(lines.find(" error one\n") != std::string::npos);
    CHECK(lines.ends_with(" warn  two k=v\n"));
}

TEST_CASE("a log that nobody takes stops nothing")
{
    tunnel::Fd original(::dup(STDERR_FILENO));
    ::close(STDERR_FILENO);
    error("lost");
    ::dup2(original.get(), STDERR_FILENO);
    CHECK(tunnel::test::log_of([] { error("written"); }).ends_with("written\n"));
}
