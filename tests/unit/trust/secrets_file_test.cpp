#include <doctest/doctest.h>

#include <fmt/format.h>

#include "remote-proxy/trust/secrets_file.hpp"
#include "tests/support/temporary_file.hpp"
#include "tests/unit/captured.hpp"

using namespace tunnel;
using namespace tunnel::test;

namespace {

constexpr std::string_view one = "0123456789abcdef0123456789abcdef";
constexpr std::string_view other = "fedcba9876543210fedcba9876543210";

// What parse_secrets() says of it; empty if it takes it.
std::string objection_to(const std::string& toml)
{
    try {
        parse_secrets(toml, "here.toml");
        return {};
    } catch (const std::runtime_error& error) {
        return error.what();
    }
}

std::string table(std::string_view name, std::string_view secret)
{
    return fmt::format("[origins.{}]\nsecret = \"{}\"\n", name, secret);
}

bool has(const std::string& text, std::string_view part)
{
    return text.find(part) != std::string::npos;
}

} // namespace

TEST_CASE("each origin proxy is known by its own secret, or by several")
{
    const auto secrets = parse_secrets(
        fmt::format("# ours\n{}[origins.\"roof.2_b-c\"]\nsecrets = [\n \"{}\",\n \"{}\",\n]\n",
                    table("cellar", one), other, std::string(one) + "00"),
        "here.toml");
    REQUIRE(secrets.size() == 3);
    CHECK(secrets[0].name == "cellar");
    CHECK(secrets[0].credential == parse_secret(one, ""));
    CHECK(secrets[1].name == "roof.2_b-c");
    CHECK(secrets[1].credential == parse_secret(other, ""));
    CHECK(secrets[2].name == "roof.2_b-c");
    CHECK(secrets[2].credential == parse_secret(std::string(one) + "00", ""));
}

TEST_CASE("what is wrong in the file is told with its line, and never with a secret")
{
    const std::string good = table("cellar", one);
    const auto check = [](const std::string& toml, std::string_view line, std::string_view words) {
        const std::string said = objection_to(toml);
        CAPTURE(toml);
        CAPTURE(said);
        CHECK(said.starts_with(fmt::format("here.toml line {}: ", line)));
        CHECK(has(said, words));
        CHECK_FALSE(has(said, one));
        CHECK_FALSE(has(said, other));
        CHECK_FALSE(has(said, "hunter2"));
    };
    check(good + "port = 7\n", "3", "'port' of origins.cellar has no meaning");
    check("name = \"x\"\n" + good, "1", "'name' has no meaning here");
    check(good + table("roof", one), "4",
          "the secret of origins.roof is that of origins.cellar too");
    check(fmt::format("[origins.a]\nsecrets = [\"{}\",\n\"{}\"]\n", one, one), "3",
          "is that of origins.a too");
    check(table("cellar", "hunter2"), "2", "too short to resist guessing");
    check(good + fmt::format("[origins.roof]\nsecret = {}\n", "1234567890123456"), "4",
          "not a text in quotes");
    check(good + fmt::format("[origins.roof]\nsecret = [\"{}\"]\n", other), "4",
          "not a text in quotes");
    check(good + "[origins.roof]\n", "3", "origins.roof has no secret");
    check(good + "[origins.roof]\nsecrets = []\n", "3", "origins.roof has no secret");
    check(fmt::format("[origins]\nroof = \"{}\"\n", one), "2", "origins.roof is not a table");
    check(fmt::format("[origins]\nroof = [\"{}\"]\n", one), "2", "origins.roof is not a table");
    check(fmt::format("[origins.roof]\nsecrets = \"{}\"\n", one), "2", "has no meaning");
}

TEST_CASE("names are short and plain")
{
    for (const std::string name :
         {"\"\"", "\"a b\"", "\"a\\nb\"", "\"ä\"", "\"a/b\"", "\"a=b\"", "\"a\\u0000\""})
        CHECK(has(objection_to(table(name, one)), "a name has 1 to 64 letters"));
    CHECK(has(objection_to(table(std::string(65, 'x'), one)), "a name has 1 to 64 letters"));
    CHECK(objection_to(table(std::string(64, 'x'), one)).empty());
}

TEST_CASE("a line that cannot be read is not quoted, since there may be a secret in it")
{
    const std::string broken = fmt::format("[origins.roof]\nsecret = {}\n", one);
    CHECK(objection_to(broken).starts_with("here.toml line 2: this line cannot be read"));
    CHECK_FALSE(has(objection_to(broken), one.substr(0, 8)));
    const auto list = [](std::string_view secret) {
        return fmt::format("[origins.roof]\nsecrets =2[\"{}\", \"Go[origins.9Qe\"]\n", secret);
    };
    CHECK(objection_to(list("q3vU0mWc??????")) == objection_to(list("h4gV1gXd??????")));
    for (const std::string& text :
         {table("roof", one) + "=\n", fmt::format("secret = \"{}\n", one), std::string(one),
          fmt::format("\"{}\"", one), table("roof", one) + table("roof", other)}) {
        const std::string said = objection_to(text);
        CAPTURE(said);
        CHECK(has(said, "this line cannot be read"));
        CHECK_FALSE(has(said, one.substr(0, 8)));
        CHECK_FALSE(has(said, other.substr(0, 8)));
    }
}

TEST_CASE("a file without origins trusts nobody, and is refused rather than taken for everybody")
{
    for (const std::string text : {"", "\n\n", "# nothing\n", "[origins]\n", "origins = 3\n",
                                   "origins = []\n", "[[origins]]\n"}) {
        CAPTURE(text);
        CHECK(has(objection_to(text), "here.toml"));
        CHECK(has(objection_to(text), "there are no origins"));
    }
}

TEST_CASE("one name has eight secrets at most")
{
    const auto with = [](int count) {
        std::string text = "[origins.roof]\nsecrets = [";
        for (int i = 0; i < count; ++i)
            text += fmt::format("\"{}{}\",", one, i);
        return text + "]\n";
    };
    CHECK(objection_to(with(8)).empty());
    CHECK(has(objection_to(with(9)), "more than 8 secrets"));
}

TEST_CASE("a secrets file that others may read is warned of")
{
    const TemporaryFile file(table("roof", one), 0644);
    std::vector<NamedSecret> secrets;
    const std::string log = log_of([&] { secrets = read_secrets_file(file.path()); });
    CHECK(secrets.size() == 1);
    CHECK(has(log, "chmod 600"));
    CHECK_FALSE(has(log, one));
}
