// What a reload finds changed, and whose option a failure is about.
#include <doctest/doctest.h>

#include <array>

#include <fmt/format.h>

#include "common/options/reload.hpp"
#include "origin-proxy/options/options.hpp"
#include "remote-proxy/options/options.hpp"
#include "tests/support/temporary_file.hpp"
#include "tests/unit/captured.hpp"
#include "tests/unit/command_line.hpp"

using namespace tunnel;
using namespace tunnel::test;

namespace {

struct Reloaded {
    std::vector<OptionChange> changes;
    std::string log;
    RemoteOptions options;
};

// The file as it was at the start, and as it is when it is read again.
Reloaded reloaded(const std::string& before, const std::string& after)
{
    const TemporaryFile file("control-addr = \":1\"\noutside-addr = \":2\"\n" + before);
    const std::array<const char*, 3> arguments{"remote-proxy", "--config", file.path().c_str()};
    RemoteOptions running;
    REQUIRE(parse(3, arguments.data(), running) == std::nullopt);
    file.write("control-addr = \":1\"\noutside-addr = \":2\"\n" + after);
    Reloaded result;
    result.options = reread_options(3, arguments.data(), running);
    result.log =
        log_of([&] { result.changes = finish_reload(running.common, result.options.common); });
    return result;
}

const OptionChange* change_of(const Reloaded& reload, const std::string& key)
{
    const auto found = std::ranges::find(reload.changes, key, &OptionChange::key);
    return found == reload.changes.end() ? nullptr : &*found;
}

} // namespace

TEST_CASE("a reload names every option that has changed, and warns of what needs a restart")
{
    const Reloaded reload = reloaded(
        "log-level = \"info\"\nmax-waiting = 7\nwatch = true\n[services.a]\n"
        "outside-addr = \":3\"\n",
        "log-level = \"debug\"\nmanagement-addr = \"127.0.0.1:1\"\ndeny = [\"10.0.0.0/8\"]\n"
        "[services.b]\noutside-addr = \":3\"\n");
    CHECK(reload.changes.size() == 7);
    for (const auto* key : {"log-level", "deny", "services.a", "services.b"}) {
        REQUIRE_MESSAGE(change_of(reload, key) != nullptr, key);
        CHECK(change_of(reload, key)->applied);
    }
    const auto needs_restart = [&reload](const std::string& key, std::string_view from,
                                         std::string_view to) {
        REQUIRE_MESSAGE(change_of(reload, key) != nullptr, key);
        CHECK_FALSE(change_of(reload, key)->applied);
        CHECK(reload.log.find(fmt::format("{} changed from {} to {}: needs a restart", key, from,
                                          to)) != std::string::npos);
    };
    needs_restart("max-waiting", "7", "4096");
    needs_restart("watch", "true", "false");
    needs_restart("management-addr", "nothing", "127.0.0.1:1");
}

TEST_CASE("nothing is said where nothing has changed, however it is written")
{
    const Reloaded reload = reloaded("grace-period = \"30s\"\n", "");
    CHECK(reload.changes.empty());
    CHECK(reload.log == "");
}

TEST_CASE("what waits for a restart is told at each reload until it is taken back")
{
    const Reloaded first = reloaded("max-waiting = 7\n", "max-waiting = 8\n");
    const auto& in_force = first.options.common.values;
    const auto value = std::ranges::find(in_force, "max-waiting", &OptionValue::key);
    REQUIRE(value != in_force.end());
    CHECK(value->text == "7");
    RemoteOptions same = first.options;
    for (OptionValue& each : same.common.values)
        each.text = each.key == "max-waiting" ? "8" : each.text;
    CHECK(changes_between(in_force, same.common.values).size() == 1);
    CHECK(changes_between(in_force, in_force).empty());
}

TEST_CASE("a failure about a file is of the option that names it")
{
    const std::vector<OptionValue> options{{"secret-file", "/etc/s", {"/etc/s"}},
                                           {"tls-ca", "/etc/s2", {"/etc/s2"}},
                                           {"origins.a", "", {"/etc/a"}, false}};
    CHECK(name_option("cannot read /etc/s: no", options) ==
          "--secret-file: cannot read /etc/s: no");
    CHECK(name_option("cannot read /etc/s2: no", options) == "--tls-ca: cannot read /etc/s2: no");
    CHECK(name_option("cannot read /etc/a: no", options) == "origins.a: cannot read /etc/a: no");
    CHECK(name_option("out of luck", options) == "out of luck");
    const std::vector<OptionValue> short_names{{"secret-file", "s", {"s"}}};
    CHECK(name_option("cannot read s: no", short_names) == "--secret-file: cannot read s: no");
    CHECK(name_option("cannot read secrets: no", short_names) == "cannot read secrets: no");
}

TEST_CASE("a reload that a stop refuses is a warning, and no error of the configuration")
{
    std::string problems;
    const std::string log = log_of([&] {
        CHECK_FALSE(reload_or_complain(problems, [] {
            read_configured({}, []() -> int { throw ShuttingDown("it is shutting down"); });
        }));
    });
    CHECK(problems == "it is shutting down");
    CHECK(log.find("warn") != std::string::npos);
    CHECK(log.find("code=shutting_down") != std::string::npos);
    CHECK(log.find("error") == std::string::npos);
}
