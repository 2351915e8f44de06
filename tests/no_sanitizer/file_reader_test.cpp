// The process that reads files again: each case starts one, which ends with its FileReader.
#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <string>
#include <system_error>

#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/files/file_reader.hpp"
#include "common/sandbox/sandbox.hpp"

using namespace std::chrono_literals;
using namespace tunnel;

namespace fs = std::filesystem;

namespace {

struct ReaderFolder {
    ReaderFolder()
    {
        std::string name = "/tmp/tunnel-reader-XXXXXX";
        if (::mkdtemp(name.data()) == nullptr)
            throw std::system_error(errno, std::system_category(), "mkdtemp");
        path = name;
    }

    ReaderFolder(const ReaderFolder&) = delete;
    ReaderFolder& operator=(const ReaderFolder&) = delete;

    ~ReaderFolder() { fs::remove_all(path); }

    fs::path write(const char* name, std::string_view text) const
    {
        fs::create_directories((path / name).parent_path());
        std::ofstream(path / name) << text;
        return path / name;
    }

    fs::path path;
};

template <class Result>
Result result_of(asio::io_context& io, awaitable<Result> operation)
{
    std::optional<Result> result;
    asio::co_spawn(io, std::move(operation), [&](const std::exception_ptr& failure, Result value) {
        if (!failure)
            result.emplace(std::move(value));
    });
    const auto limit = Clock::now() + 20s;
    io.restart();
    while (!result && io.run_one_until(limit) > 0)
        ;
    if (!result)
        throw std::runtime_error("the coroutine did not end in time");
    return std::move(*result);
}

struct Reading {
    explicit Reading(std::vector<fs::path> all)
        : files(std::move(all)), reader(io, Sandbox::on, {[](int) {}, [this] { return files; }})
    {
    }

    // Its text, or why there is none.
    std::string text_of(const fs::path& path)
    {
        const auto source = result_of(io, reader.read());
        try {
            return std::string(source->read(path.string(), 1000).view());
        } catch (const std::runtime_error& error) {
            return error.what();
        }
    }

    asio::io_context io{1};
    std::vector<fs::path> files;
    FileReader reader;
};

} // namespace

TEST_CASE("a file is read again whatever took its place")
{
    const ReaderFolder folder;
    const fs::path file = folder.write("file", "one");
    const fs::path link = folder.path / "link";
    folder.write("..1/data", "one");
    fs::create_symlink("..1", folder.path / "..data");
    fs::create_symlink("..data/data", link);
    folder.write("releases/1/conf", "one");
    fs::create_symlink("releases/1", folder.path / "current");
    const fs::path released = folder.path / "current/conf";
    const fs::path in_folder = folder.write("folder/file", "one");
    Reading reading({file, link, released, in_folder});
    for (const fs::path& each : reading.files)
        CHECK(reading.text_of(each) == "one");
    const auto before = result_of(reading.io, reading.reader.look());
    REQUIRE(before);
    CHECK(result_of(reading.io, reading.reader.look()) == before);

    fs::rename(folder.write("new", "two"), file);
    folder.write("..2/data", "two");
    fs::create_symlink("..2", folder.path / "..new");
    fs::rename(folder.path / "..new", folder.path / "..data");
    fs::remove_all(folder.path / "..1");
    folder.write("releases/2/conf", "two");
    fs::remove(folder.path / "current");
    fs::create_symlink("releases/2", folder.path / "current");
    fs::remove_all(folder.path / "folder");
    folder.write("folder/file", "two");
    for (const fs::path& each : reading.files)
        CHECK(reading.text_of(each) == "two");
    CHECK(result_of(reading.io, reading.reader.look()) != before);
}

TEST_CASE("no file is read again that is not named, also if the program asks for it")
{
    const ReaderFolder folder;
    const fs::path named = folder.write("named", "one");
    const fs::path beside = folder.write("beside", "two");
    Reading reading({named});
    CHECK(reading.text_of(named) == "one");
    CHECK(reading.text_of(beside).find("it was not named") != std::string::npos);
}

TEST_CASE("a file that is not there is told as such, and read when it is there again")
{
    const ReaderFolder folder;
    const fs::path file = folder.path / "file";
    Reading reading({file});
    CHECK(reading.text_of(file) == "cannot read " + file.string() + ": No such file or directory");
    folder.write("file", "one");
    CHECK(reading.text_of(file) == "one");
}

TEST_CASE("a FIFO that nobody writes to holds up nothing but its own reading")
{
    const ReaderFolder folder;
    const fs::path fifo = folder.path / "fifo";
    const fs::path file = folder.write("file", "one");
    REQUIRE(::mkfifo(fifo.c_str(), 0600) == 0);
    Reading reading({fifo, file});
    Timer ticks(reading.io);
    int count = 0;
    std::function<void()> tick = [&] {
        ticks.expires_after(10ms);
        ticks.async_wait([&](std::error_code error) {
            if (!error) {
                ++count;
                tick();
            }
        });
    };
    tick();
    CHECK(reading.text_of(file) == "one");
    CHECK(count > 10);
    CHECK(reading.text_of(fifo).find("nothing was written") != std::string::npos);
    ticks.cancel();
}

TEST_CASE("the reader's options are its own, and what they name after a reload is read")
{
    const ReaderFolder folder;
    const fs::path list = folder.write("list", (folder.path / "first").string());
    folder.write("first", "one");
    folder.write("second", "two");
    std::vector<fs::path> named;
    asio::io_context io(1);
    FileReader reader(io, Sandbox::on,
                      {[&](int) {
                           const PrivateText text = files().read(list.string(), 1000);
                           named = {list, fs::path(std::string(text.view()))};
                       },
                       [&] { return named; }});
    const std::string second = (folder.path / "second").string();
    CHECK_THROWS(result_of(io, reader.read())->read(second, 10));
    folder.write("list", second);
    CHECK(result_of(io, reader.read())->read(second, 10).view() == "two");
    CHECK(named.empty()); // here
}

TEST_CASE("a reader that has ended is told as such")
{
    const ReaderFolder folder;
    const fs::path file = folder.write("file", "one");
    asio::io_context io(1);
    FileReader reader(io, Sandbox::on,
                      {[](int) { std::_Exit(7); }, [&] { return std::vector<fs::path>{file}; }});
    for (int i = 0; i < 2; ++i) {
        const auto source = result_of(io, reader.read());
        CHECK_THROWS_WITH(source->read(file.string(), 10),
                          ("cannot read " + file.string() +
                           ": the process that reads files has ended, so a restart is needed")
                              .c_str());
    }
    CHECK_FALSE(result_of(io, reader.look()));
}
