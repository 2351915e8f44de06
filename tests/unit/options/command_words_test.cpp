// Commands that ask a running program, on its command line.
#include <doctest/doctest.h>

#include "origin-proxy/options/options.hpp"
#include "remote-proxy/options/options.hpp"
#include "tests/support/temporary_file.hpp"
#include "tests/unit/command_line.hpp"

using namespace tunnel;
using namespace tunnel::test;

namespace {

constexpr const char* where = "--management-addr=unix:/run/x";

Command command(std::vector<const char*> words)
{
    const auto result = parsed<RemoteOptions>(std::move(words));
    CHECK(result.err == "");
    CHECK(result.code == std::nullopt);
    return result.options.common.command;
}

std::string refusal_of(std::vector<const char*> words)
{
    const auto result = parsed<RemoteOptions>(std::move(words));
    CHECK(result.code == 2);
    CHECK(result.out == "");
    return result.err;
}

bool contains(const std::string& text, std::string_view part)
{
    return text.find(part) != std::string::npos;
}

} // namespace

TEST_CASE("a command needs nothing of what the program needs, and takes it if it is there")
{
    CHECK(command({"status", where}).word == "status");
    CHECK(parsed<OriginOptions>({"status", where}).code == std::nullopt);
    const auto result = parsed<RemoteOptions>(
        {"status", "--control-addr", ":1", "--service", "web=:80", "--json", where});
    CHECK(result.code == std::nullopt);
    CHECK(result.options.common.command.json);
    CHECK(result.options.services.size() == 1);
    CHECK(result.options.common.management.address->path == "/run/x");
}

TEST_CASE("a command's flags are not those of the program that have the same names")
{
    const auto watching = parsed<RemoteOptions>({"status", where, "--watch"});
    CHECK(watching.options.common.command.watch);
    CHECK_FALSE(watching.options.common.watch);
    const auto filtered =
        parsed<RemoteOptions>({"visitors", where, "--service=web", "--origin", "cellar"});
    CHECK(filtered.code == std::nullopt);
    CHECK(filtered.options.common.command.service == "web");
    CHECK(filtered.options.common.command.origin == "cellar");
    CHECK(filtered.options.services.empty());
    const TemporaryFile file("watch = true\nmanagement-addr = 'unix:/run/y'\n");
    const auto of_file = parsed<RemoteOptions>({"status", "-c", file.path().c_str()});
    CHECK(of_file.code == std::nullopt);
    CHECK_FALSE(of_file.options.common.command.watch);
    CHECK(of_file.options.common.watch);
    CHECK(of_file.options.common.management.address->path == "/run/y");
}

TEST_CASE("drain and resume are told whom they are about, before or behind flags")
{
    for (const auto* word : {"drain", "resume"}) {
        CHECK(command({word, "web", where}).name == "web");
        CHECK(command({word, where, "web"}).name == "web");
        CHECK(command({word, where, "--origin", "cellar"}).is_origin);
        CHECK(command({word, where, "--origin", "cellar"}).name == "cellar");
        CHECK(contains(refusal_of({word, where}), "NAME is required"));
        CHECK(contains(refusal_of({word, where, ""}), "\"\" is no name"));
        CHECK(contains(refusal_of({word, "--origin"}), "NAME is required"));
        CHECK(refusal_of({word, where, "web", "more"}) != "");
    }
}

TEST_CASE("without a place where the program can be asked there is a way out")
{
    std::string why = refusal_of({"status"});
    CHECK(contains(why, "--management-addr is required"));
    CHECK(contains(why, "--config"));
    CHECK(contains(why, "/run/remote-proxy/management.sock"));
    why = refusal_of({"status", "--management-addr", "127.0.0.1:0"});
    CHECK(contains(why, "give the one that the log of the program says"));
    // That others reach it, and there is no token, is not the matter of who asks.
    CHECK(command({"status", "--management-addr", "192.0.2.1:80"}).word == "status");
    const Environment variable("REMOTE_PROXY_MANAGEMENT_ADDR", "unix:/run/z");
    CHECK(command({"status"}).word == "status");
}

TEST_CASE("with a command wrong flags and files are told as without one")
{
    CHECK(contains(refusal_of({"status", where, "--control-addr", "x"}), "--control-addr"));
    CHECK(contains(refusal_of({"status", where, "--nonsense"}), "--nonsense"));
    const TemporaryFile file("management-addr = 'unix:/run/y'\nnonsense = 1\n");
    CHECK(contains(refusal_of({"status", "-c", file.path().c_str()}), "nonsense"));
    CHECK(contains(refusal_of({"status", where, "-c", "/nowhere/x.toml"}), "/nowhere/x.toml"));
}

TEST_CASE("a command is known in the place of the first flag only")
{
    CHECK(refusal_of({where, "status"}) != "");
    CHECK(parsed<OriginOptions>({"drain", "web", where}).code == 2);
}

TEST_CASE("a command asks over HTTPS with the certificates that it is given")
{
    constexpr const char* address = "--management-addr=127.0.0.1:1";
    CHECK_FALSE(command({"status", address}).wants_https());
    CHECK(command({"status", address, "--https"}).wants_https());
    const Command given = command({"drain", "web", address, "--ca=a", "--cert", "c", "--key", "k",
                                   "--tls-cert=x", "--tls-key=y"});
    CHECK(given.wants_https());
    CHECK(given.authority == "a");
    CHECK(given.certificate == "c");
    CHECK(given.key == "k");
    CHECK(contains(refusal_of({"status", address, "--cert", "c"}), "belong together"));
    CHECK(contains(refusal_of({"status", address, "--ca"}), "--ca needs a value: --ca FILE"));
    CHECK(
        contains(refusal_of({"status", where, "--https"}), "want a --management-addr with a port"));
    CHECK(contains(refusal_of({"--ca", "x"}), "there is no flag --ca"));
}

TEST_CASE("the command of the shells is not offered to people")
{
    CHECK(command({"complete-names", "services", where}).name == "services");
    CHECK_FALSE(contains(parsed<RemoteOptions>({"--help"}).out, "complete-names"));
    CHECK_FALSE(contains(refusal_of({"nonsense"}), "complete-names"));
    CHECK(contains(refusal_of({"nonsense"}), "completion"));
}
