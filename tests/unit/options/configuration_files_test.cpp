// What a configuration file includes.
#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>

#include "common/options/configuration_files.hpp"
#include "tests/unit/command_line.hpp"
#include "tests/unit/configured.hpp"

using namespace tunnel;
using namespace tunnel::test;

namespace {

namespace fs = std::filesystem;

// Files in a folder that is gone after the test.
class Folder {
public:
    Folder()
    {
        std::string path = "/tmp/tunnel-test-XXXXXX";
        REQUIRE(::mkdtemp(path.data()) != nullptr);
        path_ = path;
    }

    Folder(const Folder&) = delete;
    Folder& operator=(const Folder&) = delete;

    ~Folder() { fs::remove_all(path_); }

    std::string write(const std::string& name, std::string_view text) const
    {
        fs::create_directories((path_ / name).parent_path());
        std::ofstream(path_ / name) << text;
        return (path_ / name).string();
    }

    fs::path path() const { return path_; }

private:
    fs::path path_;
};

Parsed<RemoteOptions> remote(const std::string& file)
{
    return parsed<RemoteOptions>({"--config", file.c_str()});
}

} // namespace

TEST_CASE("a file may include others, whose tables come together in the order of their names")
{
    const Folder folder;
    folder.write("conf.d/b.toml", "max-waiting = 3\n[services.b]\noutside-addr = \":2\"\n");
    folder.write("conf.d/a.toml", "[services.a]\noutside-addr = \":3\"\n");
    folder.write("conf.d/.a.toml.swp", "nonsense");
    folder.write("conf.d/readme", "nonsense");
    folder.write("extra.toml", "grace-period = \"7s\"\n");
    const auto top = folder.write("top.toml", "include = [\"conf.d/*.toml\", \"extra.toml\"]\n"
                                              "control-addr = \":1\"\n"
                                              "[services.top]\noutside-addr = \":4\"\n");
    const auto result = remote(top);
    CHECK(result.err == "");
    CHECK(result.options.max_waiting == 3);
    CHECK(result.options.common.grace_period == std::chrono::seconds(7));
    REQUIRE(result.options.services.size() == 3);
    CHECK(result.options.services[0].name == "top");
    CHECK(result.options.services[1].name == "a");
    CHECK(result.options.services[2].name == "b");
    const ConfigurationFiles& files = result.options.common.files;
    CHECK((files.present() == std::vector<fs::path>{top, folder.path() / "conf.d/a.toml",
                                                    folder.path() / "conf.d/b.toml",
                                                    folder.path() / "extra.toml"}));
    folder.write("conf.d/c.toml", "");
    CHECK(files.present().size() == 5);
}

TEST_CASE("one line may include, and a pattern that fits nothing is no error")
{
    const Folder folder;
    folder.write("conf.d/a.txt", "nonsense");
    const auto top = folder.write(
        "top.toml", "include = \"conf.d/*.toml\"\ncontrol-addr = \":1\"\noutside-addr = \":2\"\n");
    CHECK(remote(top).err == "");
}

TEST_CASE("a pattern that fits the file itself does not include it")
{
    const Folder folder;
    folder.write("b.toml", "outside-addr = \":2\"\n");
    CHECK(remote(folder.write("a.toml", "include = \"*.toml\"\ncontrol-addr = \":1\"\n")).err ==
          "");
}

TEST_CASE("what two files say both is an error that names both places")
{
    const Folder folder;
    folder.write("a.toml", "max-waiting = 1\n[services.a]\noutside-addr = \":2\"\n"
                           "[origins.o]\nsecret-file = \"s\"\n");
    folder.write("b.toml", "max-waiting = 2\n[services.a]\noutside-addr = \":3\"\n"
                           "[origins.o]\nsecret-file = \"s\"\n");
    const auto top = folder.write("top", "include = \"*.toml\"\ncontrol-addr = \":1\"\n");
    const auto result = remote(top);
    const std::string a = folder.path() / "a.toml";
    const std::string b = folder.path() / "b.toml";
    CHECK(result.code == 2);
    CHECK(result.err ==
          fmt::format("{1} line 1: 'max-waiting' is in {0} line 1 too, expected it once\n"
                      "{1} line 2: services.a is in {0} line 2 too, expected it once\n"
                      "{1} line 4: origins.o is in {0} line 4 too, expected it once\n",
                      a, b));
}

TEST_CASE("what is wrong with an included file is told with its name, beside all else")
{
    const Folder folder;
    folder.write("a.toml", "spam = 1\ninclude = \"b.toml\"\n");
    folder.write("b.toml", "= nonsense\n");
    const auto top = folder.write("top", "control-addr = \"\"\ninclude = \"*.toml\"\n");
    const auto result = remote(top);
    const std::string path = folder.path();
    CHECK(result.err == fmt::format("{0}/a.toml line 1: 'spam' has no meaning here, expected the "
                                    "name of a flag without its dashes, see --help\n"
                                    "{0}/a.toml line 2: include is for the file of --config alone\n"
                                    "{0}/b.toml line 1: this line cannot be read, expected key = "
                                    "value with texts in quotes, or [table]\n"
                                    "{0}/top line 1: control-addr: \"\" is not an address such as "
                                    "example.com:9001, 192.0.2.1:80, [2001:db8::1]:80 or :9000\n",
                                    path));
}

TEST_CASE("a pattern may match nothing, and where there is no folder that is warned of")
{
    const Folder folder;
    fs::create_directory(folder.path() / "empty");
    const auto doubts = [&folder](const char* pattern) {
        const auto result = remote(folder.write(
            "top", fmt::format("control-addr = \":1\"\ninclude = \"{}\"\noutside-addr = \":2\"",
                               pattern)));
        CHECK(result.err == "");
        CHECK(result.code == std::nullopt);
        return result.options.common.doubts;
    };
    CHECK(doubts("empty/*.toml").empty());
    const auto missing = doubts("missing/*.toml");
    REQUIRE(missing.size() == 1);
    CHECK(missing[0].find("line 2: include \"missing/*.toml\" finds nothing: there is no folder") !=
          std::string::npos);
}

TEST_CASE("an include that means no file is an error with its line")
{
    const Folder folder;
    for (const auto& [include, words] :
         {std::pair("\"missing.toml\"", "line 2: cannot read"),
          {"[\"*/a.toml\"]", "line 2: include: \"*/a.toml\": expected the name of a file, with *"},
          {"\"\"", "line 2: include: \"\": expected the name of a file"},
          {"1", "line 2: include has a number in it, expected names of files"},
          {"[[]]", "line 2: include has a list in it"}}) {
        const auto result = remote(folder.write(
            "top",
            fmt::format("control-addr = \":1\"\ninclude = {}\noutside-addr = \":2\"", include)));
        CAPTURE(result.err);
        CHECK(result.code == 2);
        CHECK(result.err.find(words) != std::string::npos);
    }
}

TEST_CASE("a file that is written with a byte order mark and CRLF is read as any other")
{
    const Folder folder;
    folder.write("top.toml", "\xEF\xBB\xBF"
                             "control-addr = \":0\"\r\noutside-addr = \":0\"\r\n");
    Problems problems;
    const Configuration read = read_configuration((folder.path() / "top.toml").string(), problems);
    CHECK(problems.text() == "");
    CHECK(read.settings.entries.size() == 2);
}

TEST_CASE("a file in UTF-16 is named as such")
{
    using namespace std::string_literals;
    const Folder folder;
    for (const std::string& text :
         {"\xFF\xFE" + "a\0=\0"s, "\xFE\xFF" + "\0a\0="s, "a\0 \0=\0"s, "\0a\0 \0="s}) {
        folder.write("top.toml", text);
        Problems problems;
        read_configuration((folder.path() / "top.toml").string(), problems);
        CHECK(problems.text().find("UTF-16") != std::string::npos);
    }
}
