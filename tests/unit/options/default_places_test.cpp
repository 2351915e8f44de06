// Where a configuration and a running program are looked for when nobody says where.
#include <doctest/doctest.h>

#include <filesystem>

#include "common/options/default_places.hpp"
#include "remote-proxy/options/options.hpp"
#include "tests/support/temporary_folder.hpp"
#include "tests/unit/command_line.hpp"

using namespace tunnel;
using namespace tunnel::test;
namespace fs = std::filesystem;

namespace {

using Paths = std::vector<fs::path>;

// $XDG_CONFIG_HOME while it lives.
class ConfigHome {
public:
    ConfigHome() : variable_("XDG_CONFIG_HOME", folder_.path().c_str()) {}

    fs::path write(const std::string& program, const std::string& text) const
    {
        const std::string name = program + "/" + program + ".toml";
        folder_.write(name, text);
        return folder_ / name;
    }

private:
    const TemporaryFolder folder_;
    const Environment variable_;
};

bool contains(const std::string& text, std::string_view part)
{
    return text.find(part) != std::string::npos;
}

constexpr const char* whole = "control-addr = ':1'\noutside-addr = ':2'\nmax-waiting = 7\n";

} // namespace

TEST_CASE("a user's place comes before the machine's, by the rules of XDG")
{
    const fs::path of_machine = "/etc/p/p.toml";
    {
        const Environment folder("XDG_CONFIG_HOME", "/x");
        CHECK(default_configurations("p") == Paths{"/x/p/p.toml", of_machine});
    }
    {
        const Environment home("HOME", "/home/u");
        CHECK(default_configurations("p") == Paths{"/home/u/.config/p/p.toml", of_machine});
        const Environment relative("XDG_CONFIG_HOME", "x");
        CHECK(default_configurations("p") == Paths{"/home/u/.config/p/p.toml", of_machine});
    }
    CHECK(default_configurations("p") == Paths{of_machine});
    CHECK(default_management_sockets("p") == Paths{"/run/p/management.sock"});
    const Environment folder("XDG_RUNTIME_DIR", "/run/user/1");
    CHECK(default_management_sockets("p") ==
          Paths{"/run/p/management.sock", "/run/user/1/p/management.sock"});
    ::setenv("HOME", "/nonexistent", 1);
}

TEST_CASE("the first file that is there is taken, and the first socket that may be used")
{
    const ConfigHome home;
    const fs::path file = home.write("remote-proxy", "");
    CHECK(first_that_exists({"/nonexistent/a", file, "/nonexistent/b"}) == file);
    CHECK(first_that_exists({"/nonexistent/a"}).empty());
    CHECK(first_that_exists({}).empty());
    CHECK(best_socket({"/nonexistent/a", file}) == file);
    CHECK(best_socket({"/nonexistent/a"}).empty());
}

TEST_CASE("the default file counts if nothing but how to log was said")
{
    const ConfigHome home;
    const fs::path file = home.write("remote-proxy", whole);
    for (const auto& words : std::vector<std::vector<const char*>>{
             {}, {"--log-level", "error"}, {"--log-format=text", "--log-level=error"}}) {
        const auto result = parsed<RemoteOptions>(words);
        CHECK(result.err == "");
        CHECK(result.options.max_waiting == 7);
        CHECK(result.options.common.default_file == file);
        CHECK(result.options.common.files.top == file);
    }
    const auto printed = parsed<RemoteOptions>({"print-config", "--log-level=error"});
    CHECK(printed.out.starts_with("# from " + file.string() + ", the default place\n"));
    const Environment variable("REMOTE_PROXY_MAX_WAITING", "8");
    CHECK(parsed<RemoteOptions>({}).code == 2);
}

TEST_CASE(
    "flags that say what to do leave the default file alone, and a lack is told with its name")
{
    const ConfigHome home;
    const fs::path file = home.write("remote-proxy", whole);
    const auto result = parsed<RemoteOptions>({"--control-addr=:1", "--outside-addr=:2"});
    CHECK(result.code == std::nullopt);
    CHECK(result.options.max_waiting == 4096);
    CHECK(result.options.common.default_file.empty());
    const std::string why = parsed<RemoteOptions>({"--outside-addr=:2"}).err;
    CHECK(contains(why, "--control-addr is required; " + file.string() + " is not read"));
    const std::string other = parsed<RemoteOptions>({"--outside-addr=x"}).err;
    CHECK_FALSE(contains(other, file.string()));
}

TEST_CASE("a command reads the address out of the default file, and a reload stays with that file")
{
    const ConfigHome home;
    const fs::path file =
        home.write("remote-proxy", std::string(whole) + "management-addr = 'unix:/run/x'\n");
    const auto asked = parsed<RemoteOptions>({"status", "--json"});
    CHECK(asked.code == std::nullopt);
    CHECK(asked.options.common.management.address->path == "/run/x");
    const auto started = parsed<RemoteOptions>({});
    const char* const words[] = {"remote-proxy"};
    home.write("remote-proxy", std::string(whole) + "max-connections = 9\n");
    CHECK(reread_options(1, words, started.options).rules.visitors.max_connections == 9);
    fs::remove(file);
    CHECK_THROWS_WITH_AS(reread_options(1, words, started.options), doctest::Contains(file.c_str()),
                         std::runtime_error);
    RemoteOptions without;
    home.write("remote-proxy", whole);
    CHECK_THROWS_WITH_AS(reread_options(1, words, without), doctest::Contains("is required"),
                         std::runtime_error);
}
