// --help and its kin.
#include <doctest/doctest.h>

#include <algorithm>
#include <set>
#include <sstream>

#include "common/options/help.hpp"
#include "origin-proxy/options/options.hpp"
#include "remote-proxy/options/options.hpp"
#include "tests/unit/command_line.hpp"

using namespace tunnel;
using namespace tunnel::test;

namespace {

bool contains(const std::string& text, std::string_view part)
{
    return text.find(part) != std::string::npos;
}

template <class Options>
std::string help(std::vector<const char*> words)
{
    const auto result = parsed<Options>(std::move(words));
    CHECK(result.code == 0);
    CHECK(result.err == "");
    return result.out;
}

// Flags that stand at the beginning of a line, without dashes.
std::set<std::string> flags_in(const std::string& text)
{
    std::set<std::string> flags;
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
        if (line.starts_with("  --"))
            flags.insert(line.substr(4, line.find(' ', 4) - 4));
    }
    return flags;
}

std::size_t longest_line(const std::string& text)
{
    std::size_t longest = 0;
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);)
        longest = std::max(longest, line.size());
    return longest;
}

} // namespace

TEST_CASE("--help begins with examples, names the commands and the common flags, and is narrow")
{
    for (const auto& words : std::vector<std::vector<const char*>>{
             {"-h"}, {"help"}, {"--log-level=nonsense", "--help"}})
        CHECK(help<RemoteOptions>(words) == help<RemoteOptions>({"--help"}));
    for (const std::string& text :
         {help<RemoteOptions>({"--help"}), help<OriginOptions>({"--help"})}) {
        CHECK(longest_line(text) <= help_columns);
        CHECK(text.find("Examples:") < text.find("Commands"));
        CHECK(text.find("Commands") < text.find("Common flags"));
        for (const auto* each : {"status", "reload", "check [FILE]", "gen-secret", "--secret-file",
                                 "--log-level", "--help-all", "Exit status", "--version"})
            CHECK_MESSAGE(contains(text, each), each);
        CHECK(flags_in(text).size() < 20);
    }
    CHECK(contains(help<RemoteOptions>({"--help"}), "REMOTE_PROXY_LOG_LEVEL"));
    CHECK(contains(help<OriginOptions>({"--help"}), "ORIGIN_PROXY_LOG_LEVEL"));
}

TEST_CASE("--help-all has every flag, in groups")
{
    const std::string text = help<RemoteOptions>({"--help-all"});
    CHECK(longest_line(text) <= help_columns);
    for (const auto* each : {"--pairing-timeout", "--max-waiting", "--max-new-per-second-per-ip",
                             "--spin", "--management-tls-client-ca", "4096", "10s", "(required)",
                             "\nVisitors:\n", "\nManagement:\n", "\nPROXY protocol:\n"})
        CHECK_MESSAGE(contains(text, each), each);
    const std::string of_origin = help<OriginOptions>({"--help-all"});
    CHECK(longest_line(of_origin) <= help_columns);
    for (const auto* each :
         {"--dial-timeout", "--max-retries", "no limit", "--tls-server-name NAME"})
        CHECK_MESSAGE(contains(of_origin, each), each);
}

TEST_CASE("each command has a help of its own")
{
    const std::string text = help<RemoteOptions>({"visitors", "--help"});
    CHECK(text == help<RemoteOptions>({"help", "visitors"}));
    CHECK(contains(text, "Usage: remote-proxy visitors"));
    CHECK(contains(text, "--service NAME"));
    CHECK(contains(text, "--management-token-file"));
    CHECK_FALSE(contains(text, "--control-addr"));
    CHECK(contains(help<RemoteOptions>({"drain", "-h"}), "Usage: remote-proxy drain NAME"));
    CHECK(contains(help<OriginOptions>({"status", "--help"}), "1 if it is not"));
    for (const auto* word :
         {"check", "print-config", "gen-secret", "version", "completion", "man"}) {
        const std::string own = help<RemoteOptions>({"help", word});
        CHECK(contains(own, std::string("Usage: remote-proxy ") + word));
        CHECK(longest_line(own) <= help_columns);
    }
}

TEST_CASE("text is broken between words, and a word that is too long stands alone")
{
    CHECK(wrapped("one two three", 8, 2, 0) == "one two\n  three");
    CHECK(wrapped("a", 1, 0, 0) == "a");
    CHECK(wrapped("", 10, 2, 0) == "");
    CHECK(wrapped("looooooong word", 6, 1, 3) == "looooooong\n word");
}
