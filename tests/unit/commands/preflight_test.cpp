// `check` refuses what the start would.
#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>
#include <stdexcept>

#include <fmt/format.h>

#include "common/commands/preflight.hpp"
#include "origin-proxy/options/options.hpp"
#include "remote-proxy/options/options.hpp"
#include "tests/support/temporary_file.hpp"
#include "tests/unit/command_line.hpp"

using namespace tunnel;
using namespace tunnel::test;

namespace {

template <class Options>
void check_refuses(const std::vector<std::string>& words, std::string_view why)
{
    std::vector<const char*> all{"check"};
    for (const std::string& word : words)
        all.push_back(word.c_str());
    const auto result = parsed<Options>(all);
    CHECK(result.code == 2);
    CHECK(result.out == "");
    CHECK_MESSAGE(result.err.find(why) != std::string::npos, result.err);
}

// An empty folder, as long as this lives.
class EmptyFolder {
public:
    EmptyFolder()
    {
        if (::mkdtemp(path_.data()) == nullptr)
            throw std::runtime_error("no temporary folder");
    }

    EmptyFolder(const EmptyFolder&) = delete;
    EmptyFolder& operator=(const EmptyFolder&) = delete;

    ~EmptyFolder() { std::filesystem::remove_all(path_); }

    const std::string& path() const { return path_; }

private:
    std::string path_ = "/tmp/tunnel-test-XXXXXX";
};

std::string collision(const std::vector<ListenAddress>& all)
{
    asio::io_context io;
    try {
        must_not_collide(io, all);
    } catch (const WrongConfiguration& wrong) {
        return wrong.what();
    }
    return {};
}

} // namespace

TEST_CASE("addresses of one program exclude each other, however they are written")
{
    const std::vector<std::pair<std::string, std::string>> same{
        {"127.0.0.1:9", "127.0.0.1:9"}, {":9", "127.0.0.1:9"},
        {"0.0.0.0:9", "127.0.0.1:9"},   {"[::]:9", "127.0.0.1:9"},
        {"[::]:9", "0.0.0.0:9"},        {"localhost:9", "127.0.0.1:9"},
        {"[::]:9", "[::1]:9"},          {"[::1]:9", "[0::1]:9"},
        {"127.0.0.1:9", ":9"},          {"127.0.0.1:9", "[::ffff:127.0.0.1]:9"}};
    for (const auto& [one, other] : same) {
        CAPTURE(one);
        CAPTURE(other);
        const std::string problem = collision(
            {{"control-addr", parse_address(one).value()}, {"b", parse_address(other).value()}});
        CHECK(problem == fmt::format("b {} is taken by control-addr {}: give each a port of its "
                                     "own",
                                     to_string(parse_address(other).value()),
                                     to_string(parse_address(one).value())));
    }
    const std::vector<std::pair<std::string, std::string>> apart{{"127.0.0.1:9", "127.0.0.1:8"},
                                                                 {"127.0.0.1:9", "127.0.0.2:9"},
                                                                 {":0", ":0"},
                                                                 {"0.0.0.0:9", "[::1]:9"},
                                                                 {"127.0.0.1:0", "127.0.0.1:0"}};
    for (const auto& [one, other] : apart) {
        CAPTURE(one);
        CAPTURE(other);
        CHECK(collision({{"a", parse_address(one).value()}, {"b", parse_address(other).value()}}) ==
              "");
    }
}

TEST_CASE("check refuses addresses that a start could not have")
{
    const std::string control = "--control-addr=127.0.0.1:9001";
    check_refuses<RemoteOptions>({control, "--outside-addr=127.0.0.1:9001"}, "overlaps");
    check_refuses<RemoteOptions>({control, "--outside-addr=localhost:9001"}, "is taken by");
    check_refuses<RemoteOptions>({control, "--service=a=:9001"}, "overlaps control-addr");
    check_refuses<RemoteOptions>({control, "--service=a=:1,b=:1"}, "--service b");
    check_refuses<RemoteOptions>({control, "--outside-addr=:9", "--management-addr=127.0.0.1:9"},
                                 "is taken by");
    check_refuses<RemoteOptions>({"--control-addr=192.0.2.1:9001", "--outside-addr=:9"},
                                 "cannot listen on 192.0.2.1:9001");
    check_refuses<RemoteOptions>({control, "--service=a=192.0.2.1:9"},
                                 "cannot listen on 192.0.2.1:9");
    check_refuses<OriginOptions>(
        {"--remote-proxy-addr=a:1", "--service=a=:1@5", "--service=b=:1@5"}, "--service b");
    CHECK(parsed<RemoteOptions>({"check", "--control-addr=:0", "--outside-addr=:0"}).code == 0);
}

TEST_CASE("an address that cannot be listened on is told with the option that says so")
{
    const std::string control = "--control-addr=127.0.0.1:9001";
    const std::string nowhere = "192.0.2.1:9";
    check_refuses<RemoteOptions>({"--control-addr=" + nowhere, "--outside-addr=:8"},
                                 "--control-addr: cannot listen on " + nowhere);
    check_refuses<RemoteOptions>({control, "--outside-addr=" + nowhere},
                                 "--outside-addr: cannot listen on " + nowhere);
    check_refuses<RemoteOptions>({control, "--service=a=" + nowhere},
                                 "service a: cannot listen on " + nowhere);
    check_refuses<RemoteOptions>({control, "--management-addr=unix:/nowhere/socket"},
                                 "--management-addr: cannot listen on unix:/nowhere/socket");
}

TEST_CASE("check warns as a start does that anyone may log in")
{
    const auto warning = [](std::vector<const char*> words) {
        words.insert(words.begin(), "check");
        words.push_back("--outside-addr=:0");
        const auto result = parsed<RemoteOptions>(words);
        CHECK(result.out == "ok\n");
        return result.err;
    };
    CHECK(warning({"--control-addr=:0"}).find("THERE IS NO SECRET") != std::string::npos);
    CHECK(warning({"--control-addr=127.0.0.1:0"}).find("there is no secret") != std::string::npos);
    const TemporaryFile secret("0123456789abcdef0123456789abcdef");
    const std::string flag = "--secret-file=" + secret.path();
    CHECK(warning({"--control-addr=:0", flag.c_str()}) == "");
}

TEST_CASE("check tells a host that cannot be looked up once")
{
    const auto result = parsed<RemoteOptions>(
        {"check", "--control-addr=nowhere.invalid:9001", "--outside-addr=:0"});
    CHECK(result.code == 2);
    const std::size_t first = result.err.find("nowhere.invalid");
    REQUIRE(first != std::string::npos);
    CHECK(result.err.find("cannot listen on", result.err.find('\n', first)) == std::string::npos);
}

TEST_CASE("check refuses folders and files that a start could not use, all of them at once")
{
    const EmptyFolder folder;
    const std::string gone = folder.path() + "/gone";
    const std::vector<std::string> words{"--control-addr=:0", "--outside-addr=:0",
                                         fmt::format("--management-addr=unix:{}/socket", gone),
                                         fmt::format("--state-file={}/state", gone)};
    check_refuses<RemoteOptions>(words, fmt::format("cannot listen on unix:{}/socket", gone));
    check_refuses<RemoteOptions>(words, fmt::format("--state-file: cannot write the state file "
                                                    "{}/state",
                                                    gone));
    const TemporaryFile no_socket("text");
    for (const auto& [place, why] : std::vector<std::pair<std::string, std::string>>{
             {no_socket.path(), "is no socket"},
             {no_socket.path() + "/socket", "is no folder"},
             {folder.path() + "/" + std::string(200, 'x'), "at most 107 bytes"}}) {
        const std::string flag = "--management-addr=unix:" + place;
        check_refuses<RemoteOptions>({"--control-addr=:0", "--outside-addr=:0", flag}, why);
        check_refuses<OriginOptions>({"--remote-proxy-addr=a:1", "--origin-server-addr=:1", flag},
                                     why);
    }
    const std::vector<const char*> good{"check", "--control-addr=:0", "--outside-addr=:0"};
    std::vector<const char*> with_folder = good;
    const std::string socket = fmt::format("--management-addr=unix:{}/socket", folder.path());
    with_folder.push_back(socket.c_str());
    CHECK(parsed<RemoteOptions>(with_folder).code == 0);
    CHECK_FALSE(std::filesystem::exists(folder.path() + "/socket"));
}

TEST_CASE("an address that nobody can connect to is warned of")
{
    const auto doubts = [](std::vector<const char*> words) {
        return parsed<OriginOptions>(std::move(words)).options.common.doubts;
    };
    for (const auto& words : std::vector<std::vector<const char*>>{
             {"--remote-proxy-addr=a:0", "--origin-server-addr=:1"},
             {"--remote-proxy-addr=a:1", "--origin-server-addr=:0"}}) {
        const auto found = doubts(words);
        REQUIRE(found.size() == 1);
        CHECK(found[0].ends_with("nobody can connect to port 0"));
    }
    CHECK(doubts({"--remote-proxy-addr=a:1", "--origin-server-addr=unix:/s"}).empty());
    CHECK(doubts({"--remote-proxy-addr=a:1", "--service=a=:1@0"}).empty());
}

TEST_CASE("a service for origin proxies that a single secret cannot name is warned of")
{
    const auto doubts = [](const std::string& origins) {
        const TemporaryFile file("control-addr = \":0\"\nsecret-file = \"s\"\n[services.web]\n"
                                 "outside-addr = \":0\"\norigins = " +
                                 origins);
        return parsed<RemoteOptions>({"-c", file.path().c_str()}).options.common.doubts;
    };
    REQUIRE(doubts("[\"x\", \"y\"]").size() == 1);
    CHECK(doubts("\"x\"")[0].starts_with(
        "services.web is for x, and with one secret for all no origin proxy has that name"));
    CHECK(doubts("[\"x\", \"origin\"]").empty()); // which is the name of all of them
}

TEST_CASE("rights that nobody can have are warned of at the start and by check")
{
    const auto warns = [](std::vector<const char*> words) {
        words.insert(words.end(), {"--control-addr=:0", "--outside-addr=:0"});
        return parsed<RemoteOptions>(words).options.common.doubts;
    };
    const auto doubts = warns({"--allow-ports=1-2"});
    REQUIRE(doubts.size() == 1);
    CHECK(doubts[0].starts_with("--allow-ports has no effect without a secret"));
    CHECK(warns({"check", "--allow-ports=1-2"}).size() == 1);
    CHECK(warns({"--allow-ports=1-2", "--secret-file=/dev/null"}).empty());
    CHECK(warns({}).empty());
}
