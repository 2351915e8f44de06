// What PUT /tunnels and the state file are made of.
#include <doctest/doctest.h>

#include <fmt/format.h>

#include "remote-proxy/management/state_file.hpp"
#include "remote-proxy/registry/saved_state.hpp"
#include "tests/support/temporary_file.hpp"
#include "tests/unit/io.hpp"

using namespace tunnel;
using namespace tunnel::test;

namespace {

constexpr std::string_view good =
    R"({"ListenAddress":"127.0.0.1","ListenPort":9000,"BackEndService":"web","ClientIdentifier":"roof"})";

std::vector<PublicTunnel> parsed(std::string_view text)
{
    return parse_tunnels(parse_json(text));
}

std::pair<unsigned, std::string> refused(std::string_view text)
{
    try {
        parsed(text);
    } catch (const SteeringError& error) {
        return {error.status(), error.what()};
    }
    return {200, ""};
}

// The good one with another value for a key, which is left out without one.
std::pair<unsigned, std::string> refused_with(const std::string& key, const std::string& value)
{
    Json entry = parse_json(good);
    entry.erase(key);
    if (!value.empty())
        entry[key] = parse_json(value);
    return refused(Json::array({entry}).dump());
}

std::string nested(int depth)
{
    return std::string(depth, '[') + std::string(depth, ']');
}

} // namespace

TEST_CASE("tunnels are read and written in threshold's form")
{
    CHECK(parsed("[]").empty());
    const auto tunnels = parsed(fmt::format(
        R"([{}, {{"HaProxyProxyProtocol":true,"ListenAddress":"::1","ListenHostnameGlob":"*.example.com",
            "ListenPort":1,"BackEndService":"games[2]","ClientIdentifier":"a b"}}])",
        good));
    REQUIRE(tunnels.size() == 2);
    CHECK_FALSE(tunnels[0].proxy_protocol);
    CHECK(tunnels[0].hostname_glob == "");
    CHECK(tunnels[0].key() == "127.0.0.1:9000");
    CHECK(tunnels[1].proxy_protocol);
    CHECK(tunnels[1].key() == "[::1]:1/*.example.com");
    CHECK(tunnels[1].service == "games[2]");
    CHECK(parse_tunnels(to_json(tunnels)) == tunnels);
    CHECK(to_line(to_json({tunnels[0]})) ==
          R"([{"HaProxyProxyProtocol":false,"ListenAddress":"127.0.0.1","ListenHostnameGlob":"",)"
          R"("ListenPort":9000,"BackEndService":"web","ClientIdentifier":"roof"}])");
}

TEST_CASE("what is no list of tunnels is refused with the place and the reason")
{
    CHECK(refused("").first == 422);
    CHECK(refused("{}").first == 422);
    CHECK(refused("[1]").second == "tunnel 1 is no object");
    CHECK(refused("[] []").first == 422);
    CHECK(refused("[/* a comment */]").first == 422);
    CHECK(refused(R"([{"ListenPort":1,"ListenPort":2}])").second == "a key is there twice");
    CHECK(refused_with("Listenport", "1").second ==
          R"(tunnel 1 has a key "Listenport", which means nothing here)");
    for (const char* const port : {"0", "65536", "-1", "1.5", "\"80\"", "null", ""})
        CHECK(refused_with("ListenPort", port).first == 422);
    for (const char* const name : {"\"\"", "\"a/b\"", "1", ""})
        CHECK(refused_with("BackEndService", name).first == 422);
    CHECK(refused_with("ClientIdentifier", "\"\"").first == 422);
    CHECK(refused_with("ClientIdentifier", fmt::format("\"{}\"", std::string(257, 'x'))).first ==
          422);
    CHECK(refused_with("HaProxyProxyProtocol", "\"yes\"").first == 422);
    CHECK(refused_with("ListenHostnameGlob", "7").first == 422);
    for (const char* const address : {"\"\"", "\"localhost\"", "\"127.0.0.1:80\"", "\"1.2.3\""})
        CHECK(refused_with("ListenAddress", address).first == 400);
    CHECK(refused(fmt::format("[{},{}]", good, good)).first == 422);
    for (const char* const glob :
         {"\"a*.example\"", "\"*.*.b\"", "\"192.0.2.1\"", "\"b\xc3\xbc.example\""})
        CHECK(refused_with("ListenHostnameGlob", glob).first == 422);
    CHECK(refused(nested(9)).second == "tunnel 1 is no object");
    CHECK(refused(nested(10)).second == "the JSON is nested too deeply");
    CHECK(refused(nested(100'000)).second == "the JSON is nested too deeply");
}

TEST_CASE("there is a bound for the number of tunnels")
{
    Json list = Json::array();
    for (unsigned port = 1; port <= most_tunnels + 1; ++port) {
        list.push_back(parse_json(good));
        list.back()["ListenPort"] = port;
    }
    CHECK_THROWS_AS(parse_tunnels(list), SteeringError);
    list.erase(0);
    CHECK(parse_tunnels(list).size() == most_tunnels);
}

TEST_CASE("a document with more in it than any list of tunnels is not read to its end")
{
    constexpr std::string_view says = "that is more than 1000 tunnels need";
    std::string ones = "[1";
    std::string objects = "[{}";
    std::string keys = "[{\"0\":0";
    std::string lists = "[[0]";
    for (int i = 1; i < 100'000; ++i) {
        ones += ",1";
        objects += ",{}";
        keys += fmt::format(",\"{}\":0", i);
        lists += ",[0]";
    }
    for (const std::string& text : {ones, objects, keys, lists}) { // none has a proper end
        CHECK(refused(text).first == 422);
        CHECK(refused(text).second == says);
    }
    SavedState kept; // the longest state file
    for (std::size_t i = 0; i < most_drained; ++i) {
        kept.drained_services.insert(fmt::format("service-{}", i));
        kept.drained_origins.insert(fmt::format("origin-{}", i));
    }
    for (unsigned port = 1; port <= most_tunnels; ++port) {
        kept.tunnels.push_back(parsed(fmt::format("[{}]", good)).front());
        kept.tunnels.back().listen_port = static_cast<std::uint16_t>(port);
    }
    CHECK(parse_saved_state(to_text(kept)) == kept);
}

TEST_CASE("what the management interface has changed is read as it was written")
{
    SavedState kept;
    CHECK(parse_saved_state(to_text(kept)) == kept);
    kept.tunnels = parsed(fmt::format("[{}]", good));
    kept.drained_services = {"127.0.0.1:9000", "web"};
    kept.drained_origins = {"we\"ird"};
    CHECK(parse_saved_state(to_text(kept)) == kept);
}

TEST_CASE("a state file that is none, or of another version, is refused")
{
    const auto wrong = [](std::string_view text) {
        CHECK_THROWS_AS(parse_saved_state(text), std::runtime_error);
    };
    wrong("");
    wrong("[]");
    wrong("{}");
    wrong(R"({"version":2})");
    wrong(R"({"version":1,"more":1})");
    wrong(R"({"version":1,"drained_services":"web"})");
    wrong(R"({"version":1,"drained_origins":[1]})");
    wrong(R"({"version":1,"tunnels":{}})");
    CHECK(parse_saved_state(R"({"version":1})") == SavedState());
}

TEST_CASE("a state file is replaced as a whole, and readable by its owner alone")
{
    const TemporaryFile file("old");
    asio::io_context io;
    SavedState kept;
    kept.drained_services = {"web"};
    {
        StateFile state(file.path());
        run(io, [&]() -> awaitable<void> { co_await state.write(kept); });
        CHECK(state.read() == kept);
    }

    struct stat what {};

    REQUIRE(::stat(file.path().c_str(), &what) == 0);
    CHECK((what.st_mode & 0777) == 0600);
    CHECK(::stat((file.path() + ".new").c_str(), &what) != 0);
}

TEST_CASE("a state file is one program's, also after it was replaced, until that lets it go")
{
    asio::io_context io;
    const TemporaryFile file("{\"version\":1}");
    StateFile first(file.path());
    StateFile second(file.path());
    const SavedState nothing; // by a name: g++ 12 would destroy it twice
    first.lock();
    CHECK_THROWS_WITH_AS(second.lock(), doctest::Contains("in use by another program"),
                         const std::runtime_error&);
    for (int i = 0; i < 3; ++i) {
        run(io, [&]() -> awaitable<void> { co_await first.write(nothing); });
        CHECK_THROWS_AS(second.lock(), std::runtime_error);
    }
    first.release();
    CHECK(failure_of(io, first.write(nothing)).code() == std::errc::operation_canceled);
    second.lock();
}

TEST_CASE("of two programs that found no state file the first one that writes has it")
{
    asio::io_context io;
    std::string path;
    {
        const TemporaryFile file;
        path = file.path();
    }
    StateFile first(path);
    StateFile second(path);
    const SavedState nothing; // as above
    first.lock();
    second.lock();
    for (int i = 0; i < 2; ++i)
        run(io, [&]() -> awaitable<void> { co_await first.write(nothing); });
    const auto failure = failure_of(io, second.write(nothing));
    CHECK(failure.code() == std::errc::file_exists);
    CHECK(std::string(failure.what()).find(path) != std::string::npos);
    ::unlink(path.c_str());
}

TEST_CASE("a state file that cannot be written, or is none, is named")
{
    asio::io_context io;
    StateFile nowhere("/nonexistent/folder/state.json");
    CHECK(nowhere.read() == SavedState());
    const auto failure = failure_of(io, nowhere.write({}));
    CHECK(failure.code() == std::errc::no_such_file_or_directory);
    CHECK(std::string(failure.what()).find("/nonexistent/folder/state.json") != std::string::npos);

    const TemporaryFile broken("{\"version\":1");
    try {
        StateFile(broken.path()).read();
        FAIL("a broken file was read");
    } catch (const std::runtime_error& error) {
        CHECK(std::string(error.what()).find(broken.path()) != std::string::npos);
    }
}
