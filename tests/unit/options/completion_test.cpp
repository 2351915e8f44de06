// What `completion` prints, as far as it can be told without a shell.
#include <doctest/doctest.h>

#include "common/options/completion.hpp"
#include "origin-proxy/options/description.hpp"
#include "remote-proxy/options/description.hpp"
#include "tests/unit/command_line.hpp"

using namespace tunnel;
using namespace tunnel::test;

namespace {

bool contains(const std::string& text, std::string_view part)
{
    return text.find(part) != std::string::npos;
}

// The same flag in the words of each shell.
std::string flag_in(std::string_view shell, const std::string& name)
{
    return shell == "fish" ? " -l " + name.substr(2) : name;
}

template <class Options>
void check_completions()
{
    Options any;
    const ProgramDescription program = describe(any);
    for (const char* const shell : {"bash", "zsh", "fish"}) {
        CAPTURE(shell);
        const auto printed = parsed<Options>({"completion", shell});
        CHECK(printed.code == 0);
        CHECK(printed.err == "");
        for (const Option& each : program.options) {
            CAPTURE(each.name);
            if (!each.is(Trait::key_only))
                CHECK(contains(printed.out, flag_in(shell, each.flag())));
        }
        for (const CommandForm& each : program.commands) {
            CAPTURE(each.word);
            CHECK(contains(printed.out, each.word));
            for (const CommandForm::Part& part : each.parts) {
                if (!each.is_hidden && part.name.starts_with('-'))
                    CHECK(contains(printed.out, flag_in(shell, part.name)));
            }
        }
        for (const char* const each : {"@ID@", "@PROGRAM@", "@VALUES@", "@LINES@", "@COMMANDS@"})
            CHECK_FALSE(contains(printed.out, each));
    }
}

} // namespace

TEST_CASE("each shell is told of every flag and command")
{
    check_completions<RemoteOptions>();
    check_completions<OriginOptions>();
}

TEST_CASE("completion wants the name of one of the shells, and no flag")
{
    CHECK(contains(parsed<RemoteOptions>({"completion"}).err, "completion bash|zsh|fish"));
    CHECK(contains(parsed<RemoteOptions>({"completion", "bsh"}).err, "did you mean bash?"));
    CHECK(parsed<RemoteOptions>({"completion", "bash", "zsh"}).code == 2);
    CHECK(parsed<RemoteOptions>({"completion", "bash", "--control-addr=:1"}).code == 2);
    CHECK(contains(parsed<RemoteOptions>({"completion", "--help"}).out, "$fpath"));
}

TEST_CASE("a command takes its own flags and those of the program that are for it")
{
    Usage usage;
    UsageFlag ask{"--management-addr", "ADDR"};
    ask.asks = true;
    usage.flags = {{"--service", "TEXT"}, ask, {"--help"}};
    UsageCommand command{"visitors", "visitors", "Shows"};
    command.flags = {{"--service", "NAME"}};
    const auto names = [&] {
        std::string all;
        for (const UsageFlag& each : flags_of(usage, &command))
            all += each.name + ' ';
        return all;
    };
    CHECK(names() == "--help ");
    command.takes = UsageCommand::Takes::what_asks;
    CHECK(names() == "--management-addr --help ");
    command.takes = UsageCommand::Takes::all_flags;
    CHECK(names() == "--management-addr --help ");
    command.flags.clear();
    CHECK(names() == "--service --management-addr --help ");
}

TEST_CASE("the short help of a flag ends where its details begin")
{
    CHECK(short_help("What to log: error, warn") == "What to log");
    CHECK(short_help("One. Two") == "One");
    CHECK(short_help("Whole") == "Whole");
    CHECK(short_help("Something (default: 5s)") == "Something");
}
