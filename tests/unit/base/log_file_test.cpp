#include "common/base/log_file.hpp"

#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/output.hpp"
#include "tests/support/temporary_folder.hpp"

using namespace std::chrono_literals;
using namespace tunnel;
using tunnel::test::TemporaryFolder;

namespace {

std::string contents(const std::string& path)
{
    std::ostringstream text;
    text << std::ifstream(path).rdbuf();
    return text.str();
}

void write(const LogFile& file, std::string_view text)
{
    REQUIRE(::write(file.descriptor(), text.data(), text.size()) ==
            static_cast<ssize_t>(text.size()));
}

// What was told of a file, in its order.
struct Told {
    std::vector<std::string> lines;

    LogFile::Tell tell()
    {
        return [this](const char* what, const std::string&, const std::error_code&) {
            lines.emplace_back(what);
        };
    }
};

} // namespace

TEST_CASE("a log file is made for its owner and group, and is appended to")
{
    const TemporaryFolder folder;
    const std::string path = folder.path() + "/log";
    Told told;
    const mode_t before = ::umask(0);
    write(LogFile(path, told.tell()), "one\n");
    ::umask(before);

    struct stat made {};

    REQUIRE(::stat(path.c_str(), &made) == 0);
    CHECK((made.st_mode & 0777) == 0640);
    write(LogFile(path, told.tell()), "two\n");
    CHECK(contents(path) == "one\ntwo\n");
    CHECK(told.lines.empty());
}

TEST_CASE("a log file that was moved away is made anew when it is opened again")
{
    const TemporaryFolder folder;
    const std::string path = folder.path() + "/log";
    Told told;
    LogFile file(path, told.tell());
    write(file, "one\n");
    REQUIRE(::rename(path.c_str(), (path + ".1").c_str()) == 0);
    write(file, "two\n");
    file.reopen();
    write(file, "three\n");
    CHECK(contents(path + ".1") == "one\ntwo\n");
    CHECK(contents(path) == "three\n");
    CHECK(told.lines.empty());
}

TEST_CASE("where no file can be made lines go on to the former one, which is told once")
{
    const TemporaryFolder folder;
    const std::string inner = folder.path() + "/inner";
    REQUIRE(::mkdir(inner.c_str(), 0700) == 0);
    Told told;
    LogFile file(inner + "/log", told.tell());
    REQUIRE(::rename(inner.c_str(), (inner + ".gone").c_str()) == 0);
    file.reopen();
    file.reopen();
    CHECK(told.lines.size() == 1);
    write(file, "still\n");
    CHECK(contents(inner + ".gone/log") == "still\n");
    REQUIRE(::rename((inner + ".gone").c_str(), inner.c_str()) == 0);
    file.reopen();
    REQUIRE(::rename(inner.c_str(), (inner + ".gone").c_str()) == 0);
    file.reopen();
    CHECK(told.lines.size() == 2); // it was well in between
}

TEST_CASE("a log file that cannot be opened at the start is an error that names it")
{
    Told told;
    CHECK_THROWS_WITH_AS(LogFile("/does/not/exist/log", told.tell()),
                         "cannot write the log file /does/not/exist/log: No such file or directory",
                         std::system_error);
}

TEST_CASE("a pipe or a terminal is not opened again")
{
    Told told;
    LogFile file("/dev/null", told.tell());
    CHECK(file.place().empty());
    const int before = file.descriptor();
    file.reopen();
    CHECK(file.descriptor() == before);
}

TEST_CASE("a disk that is full is told once, and lines go on when it is not any more")
{
    Told told;
    LogFile& file = *new LogFile("/dev/full", told.tell()); // as long as its Output: for ever
    Output& out = *new Output(file, 4096, [](std::uint64_t) { return std::string("left out\n"); });
    out.start();
    for (int i = 0; i < 3; ++i) {
        out.put("lost\n");
        CHECK(out.finish(Output::Clock::now() + 10s));
    }
    CHECK(told.lines == std::vector<std::string>{"cannot write the log file, so lines are lost"});
    file.written({});
    out.put("lost\n");
    CHECK(out.finish(Output::Clock::now() + 10s));
    CHECK(told.lines.size() == 2);
}

TEST_CASE("an output opens its file again before the next line, without being given one")
{
    const TemporaryFolder folder;
    const std::string path = folder.path() + "/log";
    static Told told; // the thread may outlive the test
    Output& out = *new Output(*new LogFile(path, told.tell()), 4096,
                              [](std::uint64_t) { return std::string(); });
    out.put("one\n");
    CHECK(out.finish(Output::Clock::now() + 10s));
    REQUIRE(::rename(path.c_str(), (path + ".1").c_str()) == 0);
    out.reopen();
    const auto limit = Output::Clock::now() + 10s;
    while (::access(path.c_str(), F_OK) != 0 && Output::Clock::now() < limit)
        ::usleep(1000);
    CHECK(::access(path.c_str(), F_OK) == 0);
    out.put("two\n");
    CHECK(out.finish(Output::Clock::now() + 10s));
    CHECK(contents(path + ".1") == "one\n");
    CHECK(contents(path) == "two\n");
    CHECK(told.lines.empty());
}
