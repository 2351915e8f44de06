#include <stdexcept>
#include <string>
#include <string_view>

#include <doctest/doctest.h>

#include "remote-proxy/trust/secrets_file.hpp"

using namespace tunnel;
using namespace std::string_view_literals;

namespace {

constexpr auto secret = "q3vU0mWcXz8Kd1JtR5yLhB7sNfPa2GoEi6TwVxYk9Qe"sv;

std::string complaint(const std::string& toml)
{
    try {
        parse_secrets(toml, "FILE");
    } catch (const std::runtime_error& error) {
        return error.what();
    }
    return "none";
}

std::string with_secret(std::string_view before, std::string_view after)
{
    return std::string(before).append(secret).append(after);
}

} // namespace

TEST_CASE("a key without a meaning is shown")
{
    CHECK(complaint("[origin.a]\nsecret = 1\n").starts_with("FILE line 1: 'origin' has no "));
    CHECK(complaint("[origins.a]\npassword = 1\n")
              .starts_with("FILE line 2: 'password' of origins.a has no meaning"));
}

TEST_CASE("a secret that stands where a key should is not shown")
{
    for (const auto& toml : {with_secret("\"", "\" = 1\n"), with_secret("[\"", "\"]\n"),
                             with_secret("[", "]\n"), with_secret("[origins.a]\n\"", "\" = 1\n"),
                             with_secret("[origins.a]\n", " = \"secret\"\n"),
                             with_secret("origins = { a = { \"", "\" = 1 } }\n")}) {
        CAPTURE(toml);
        CHECK(complaint(toml).find("a key") != std::string::npos);
        CHECK(complaint(toml).find(secret) == std::string::npos);
    }
}

TEST_CASE("what is wrong is told in one line, whatever the keys are")
{
    for (const auto toml : {"\"a\\nb\" = 1\n", "[origins.a]\n\"\\u001b[31m\" = 1\n",
                            "[origins.\"a\\nb\"]\nsecret = 1\n", "\"\" = 1\n"}) {
        CAPTURE(toml);
        CHECK(complaint(toml).find_first_of("\n\x1b") == std::string::npos);
        CHECK(complaint(toml).starts_with("FILE line "));
    }
}
