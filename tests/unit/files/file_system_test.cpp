#include <doctest/doctest.h>

#include <array>
#include <chrono>
#include <stdexcept>
#include <string>
#include <thread>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/fd.hpp"
#include "common/files/file_system.hpp"
#include "common/security/file.hpp"
#include "tests/support/temporary_file.hpp"

using namespace std::chrono_literals;
using namespace tunnel;
using namespace tunnel::test;

namespace {

std::string failure_of_reading(FileSystem& files, const std::string& path, std::size_t limit = 100)
{
    try {
        files.read(path, limit);
        return {};
    } catch (const std::runtime_error& error) {
        return error.what();
    }
}

std::string text_of(FileSystem& files, const std::string& path, std::size_t limit = 100)
{
    return std::string(files.read(path, limit).view());
}

struct Fifo {
    Fifo()
    {
        ::unlink(file.path().c_str());
        if (::mkfifo(file.path().c_str(), 0600) != 0)
            throw std::runtime_error("no FIFO");
    }

    const std::string& path() const { return file.path(); }

    TemporaryFile file;
};

struct PipeEnds {
    PipeEnds()
    {
        std::array<int, 2> ends{};
        if (::pipe2(ends.data(), O_CLOEXEC) != 0)
            throw std::runtime_error("no pipe");
        out = Fd(ends[0]);
        in = Fd(ends[1]);
    }

    std::string name() const { return fmt::format("/dev/fd/{}", out.get()); }

    Fd out;
    Fd in;
};

void write_to(int descriptor, std::string_view text)
{
    CHECK(::write(descriptor, text.data(), text.size()) == static_cast<ssize_t>(text.size()));
}

} // namespace

TEST_CASE("a regular file is read anew each time")
{
    const TemporaryFile file("one");
    FileSystem files;
    CHECK(text_of(files, file.path()) == "one");
    file.write("another");
    CHECK(text_of(files, file.path()) == "another");
    CHECK(files.read_once().empty());
}

TEST_CASE("a pipe is read to its end, however slowly it comes, and once only")
{
    PipeEnds pipe;
    FileSystem files;
    std::thread writer([&pipe] {
        for (const std::string_view part : {"a ", "slow ", "writer"}) {
            write_to(pipe.in.get(), part);
            std::this_thread::yield();
        }
        pipe.in.close();
    });
    CHECK(text_of(files, pipe.name()) == "a slow writer");
    writer.join();
    CHECK(text_of(files, pipe.name()) == "a slow writer");
    CHECK(files.read_once() == std::vector{pipe.name()});
    CHECK(failure_of_reading(files, pipe.name(), 3).find("more than 3 bytes") != std::string::npos);
}

TEST_CASE("a FIFO whose writer comes later is waited for")
{
    const Fifo fifo;
    FileSystem files;
    std::thread writer([&fifo] {
        const Fd in(::open(fifo.path().c_str(), O_WRONLY | O_CLOEXEC)); // waits for the reader
        write_to(in.get(), "from a FIFO");
    });
    CHECK(text_of(files, fifo.path()) == "from a FIFO");
    writer.join();
    CHECK(text_of(files, fifo.path()) == "from a FIFO");
}

TEST_CASE("a FIFO that nobody writes to is given up, and so is a writer that falls silent")
{
    const Fifo fifo;
    FileSystem files;
    files.wait_for_writers(20ms);
    CHECK(failure_of_reading(files, fifo.path()) ==
          fmt::format("cannot read {}: nothing was written to it for 1 s", fifo.path()));
    const Fd in(::open(fifo.path().c_str(), O_RDWR | O_CLOEXEC | O_NONBLOCK));
    write_to(in.get(), "half of");
    CHECK(failure_of_reading(files, fifo.path()).find("nothing was written") != std::string::npos);
}

TEST_CASE("an empty pipe is an empty file")
{
    PipeEnds pipe;
    FileSystem files;
    pipe.in.close();
    CHECK(text_of(files, pipe.name()).empty());
}

TEST_CASE("a socket that the parent left open is read by its descriptor")
{
    std::array<int, 2> ends{};
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) == 0);
    const Fd here(ends[0]);
    Fd there(ends[1]);
    write_to(there.get(), "over a socket");
    there.close();
    FileSystem files;
    CHECK(text_of(files, fmt::format("/proc/self/fd/{}", here.get())) == "over a socket");
}

TEST_CASE("a file without a name is kept, since its descriptor may be another file's later")
{
    Fd file(::open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
    if (!file.is_open())
        return; // a file system that has none
    write_to(file.get(), "from the shell");
    const std::string name = fmt::format("/dev/fd/{}", file.get());
    FileSystem files;
    CHECK(text_of(files, name) == "from the shell");
    file.close();
    CHECK(text_of(files, name) == "from the shell");
}

TEST_CASE("what is too large, a folder or endless is an error that names the file")
{
    const TemporaryFile file(std::string(101, 'x'));
    FileSystem files;
    CHECK(failure_of_reading(files, file.path()) ==
          fmt::format("cannot read {}: it has more than 100 bytes", file.path()));
    CHECK(failure_of_reading(files, file.path(), 101).empty());
    CHECK(failure_of_reading(files, "/tmp") == "cannot read /tmp: it is a folder");
    CHECK(failure_of_reading(files, "/dev/zero").find("more than 100 bytes") != std::string::npos);
    CHECK(failure_of_reading(files, "/nowhere/at-all").find("No such file") != std::string::npos);
}

TEST_CASE("a byte order mark at the beginning is no part of a file's text")
{
    const TemporaryFile file("\xEF\xBB\xBFtext\xEF\xBB\xBF");
    CHECK(read_file(file.path(), 100).view() == "text\xEF\xBB\xBF");
}
