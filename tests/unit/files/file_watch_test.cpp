#include <doctest/doctest.h>

#include <cstdio>

#include "common/files/file_reader.hpp"
#include "common/files/file_watch.hpp"
#include "tests/support/temporary_file.hpp"

using namespace std::chrono_literals;
using namespace tunnel;
using namespace tunnel::test;

namespace {

// Counts the changes of some files.
struct Watched {
    asio::io_context io{1};
    std::vector<std::filesystem::path> files;
    int changes = 0;
    bool blind = false; // nothing can be seen
    FileWatch watch;

    explicit Watched(std::vector<std::filesystem::path> all)
        : files(std::move(all)),
          watch(
              io, fingerprint(files),
              [this](const std::function<void(FileWatch::Seen)>& seen) {
                  seen(blind ? FileWatch::Seen() : fingerprint(files));
              },
              [this] { ++changes; }, 1ms)
    {
    }

    // Whether so many came about, within a time that is long.
    bool comes_to(int count)
    {
        const auto deadline = Clock::now() + 10s;
        while (changes < count && Clock::now() < deadline)
            io.run_one_until(deadline);
        return changes == count;
    }

    void look_several_times()
    {
        for (int i = 0; i < 5; ++i)
            io.run_one();
    }
};

} // namespace

TEST_CASE("a file that stays as it is is no change")
{
    const TemporaryFile file("a");
    Watched watched({file.path(), "/nowhere/at-all"});
    watched.look_several_times();
    CHECK(watched.changes == 0);
}

TEST_CASE("a file that is written is one change")
{
    const TemporaryFile file("a");
    Watched watched({file.path()});
    file.write("ab");
    CHECK(watched.comes_to(1));
    watched.look_several_times();
    CHECK(watched.changes == 1);
    file.write("abc");
    CHECK(watched.comes_to(2));
}

TEST_CASE("a file that takes the place of another is a change, though it has the same text")
{
    const TemporaryFile file("a");
    Watched watched({file.path()});
    const TemporaryFile other("a");
    REQUIRE(std::rename(other.path().c_str(), file.path().c_str()) == 0);
    CHECK(watched.comes_to(1));
}

TEST_CASE("a file that goes, comes back or is there for the first time is a change")
{
    std::string path;
    {
        const TemporaryFile file("a");
        path = file.path();
    }
    const TemporaryFile other("b");
    Watched watched({path});
    watched.files.emplace_back(other.path());
    CHECK(watched.comes_to(1));
    std::filesystem::copy_file(other.path(), path);
    CHECK(watched.comes_to(2));
    std::filesystem::remove(path);
    CHECK(watched.comes_to(3));
}

TEST_CASE("a file is left in peace while it is being written")
{
    const TemporaryFile file("a");
    Watched watched({file.path()});
    std::string text = "a";
    for (int i = 0; i < 5; ++i) {
        file.write(text += 'a');
        watched.io.run_one();
        CHECK(watched.changes == 0);
    }
    CHECK(watched.comes_to(1));
}

TEST_CASE("a look that cannot be had is no change, and the next one finds what has changed")
{
    const TemporaryFile file("a");
    Watched watched({file.path()});
    watched.blind = true;
    file.write("ab");
    watched.look_several_times();
    CHECK(watched.changes == 0);
    watched.blind = false;
    CHECK(watched.comes_to(1));
}

TEST_CASE("a look that is answered after the watch is gone tells nobody")
{
    asio::io_context io(1);
    int changes = 0;
    std::function<void(FileWatch::Seen)> late;
    {
        const FileWatch watch(
            io, "before",
            [&](std::function<void(FileWatch::Seen)> seen) { late = std::move(seen); },
            [&] { ++changes; }, 1ms);
        while (!late)
            io.run_one();
    }
    late("after");
    CHECK(changes == 0);
}

TEST_CASE("nobody is told once the watch is gone")
{
    const TemporaryFile file("a");
    asio::io_context io(1);
    int changes = 0;
    {
        const FileWatch watch(
            io, fingerprint({file.path()}),
            [&](const std::function<void(FileWatch::Seen)>& seen) {
                seen(fingerprint({file.path()}));
            },
            [&] { ++changes; }, 1ms);
    }
    file.write("ab");
    io.run();
    CHECK(changes == 0);
}
