#include "common/base/output.hpp"

#include <algorithm>
#include <atomic>
#include <sstream>
#include <string>
#include <vector>

#include <doctest/doctest.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/fd.hpp"

using namespace std::chrono_literals;
using namespace tunnel;

namespace {

// An Output lives as long as the process.
Output& output(int descriptor, std::size_t most, Output::Timed timed = {})
{
    static std::vector<Output*> all;
    const auto note = [](std::uint64_t lines) { return fmt::format("left out {}\n", lines); };
    return *all.emplace_back(new Output(descriptor, most, note, std::move(timed)));
}

struct Pipe {
    Fd read;
    Fd write;

    Pipe()
    {
        int ends[2];
        REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
        read = Fd(ends[0]);
        write = Fd(ends[1]);
        ::fcntl(write.get(), F_SETPIPE_SZ, 4096);
    }

    // All that comes until `end` has come.
    std::string read_until(std::string_view end) const
    {
        std::string text;
        while (!text.ends_with(end)) {
            pollfd ready{read.get(), POLLIN, 0};
            REQUIRE(::poll(&ready, 1, 10'000) == 1);
            char block[4096];
            const ssize_t size = ::read(read.get(), block, sizeof block);
            REQUIRE(size > 0);
            text.append(block, static_cast<std::size_t>(size));
        }
        return text;
    }
};

Output::Clock::time_point in(Output::Clock::duration time)
{
    return Output::Clock::now() + time;
}

// More than the pipe and the queue hold; never waits.
void put_too_much(Output& out)
{
    const auto began = Output::Clock::now();
    for (int i = 0; i < 2000; ++i)
        out.put(fmt::format("line {:94}\n", i));
    CHECK(Output::Clock::now() - began < 5s);
}

// Reads until the thread is done, which must not write into a descriptor that is closed.
void let_go(Output& out, int reader)
{
    while (!out.finish(in(10ms))) {
        char block[4096];
        pollfd ready{reader, POLLIN, 0};
        while (::poll(&ready, 1, 0) == 1 && ::read(reader, block, sizeof block) > 0) {
        }
    }
}

} // namespace

TEST_CASE("lines are written in their order, by a thread that there is only once they may be")
{
    const Pipe pipe;
    Output& out = output(pipe.write.get(), 4096);
    out.put("one\n");
    out.put("two\n");
    pollfd ready{pipe.read.get(), POLLIN, 0};
    CHECK(::poll(&ready, 1, 0) == 0);
    out.start();
    CHECK(pipe.read_until("two\n") == "one\ntwo\n");
    out.put("three\n");
    CHECK(pipe.read_until("three\n") == "three\n");
    CHECK(out.finish(in(10s)));
}

TEST_CASE("what waits for the start is written at the end at the latest")
{
    const Pipe pipe;
    Output& out = output(pipe.write.get(), 4096);
    out.put("fatal\n");
    CHECK(out.finish(in(10s)));
    CHECK(pipe.read_until("\n") == "fatal\n");
}

TEST_CASE("a reader who stalls delays nobody, and is told how many lines were left out")
{
    const Pipe pipe;
    Output& out = output(pipe.write.get(), 8192);
    out.start();
    put_too_much(out);
    SUBCASE("and reads again")
    {
        // There may be several notes, since the thread may have been slow before.
        int written = 0;
        int left_out = 0;
        while (written + left_out < 2000) {
            std::istringstream lines(pipe.read_until("\n"));
            for (std::string line; std::getline(lines, line);) {
                if (line.starts_with("left out "))
                    left_out += std::stoi(line.substr(9));
                else
                    ++written;
            }
        }
        CHECK(written + left_out == 2000);
        CHECK(written >= 80); // the queue was used
        CHECK(left_out > 0);
        out.put("goes on\n");
        CHECK(pipe.read_until("goes on\n") == "goes on\n");
    }
    SUBCASE("and never reads")
    {
        const auto began = Output::Clock::now();
        CHECK_FALSE(out.finish(in(100ms)));
        CHECK(Output::Clock::now() - began < 5s);
        let_go(out, pipe.read.get());
    }
}

TEST_CASE("a stream socket that nobody reads delays nobody")
{
    int ends[2];
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
    const Fd ours(ends[0]);
    const Fd theirs(ends[1]);
    const int small = 4096;
    ::setsockopt(ours.get(), SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
    Output& out = output(ours.get(), 8192);
    out.start();
    put_too_much(out);
    CHECK_FALSE(out.finish(in(50ms)));
    let_go(out, theirs.get());
}

TEST_CASE("a descriptor that was made non-blocking by somebody else gets all lines all the same")
{
    const Pipe pipe;
    ::fcntl(pipe.write.get(), F_SETFL, O_NONBLOCK);
    Output& out = output(pipe.write.get(), 1024 * 1024);
    out.start();
    put_too_much(out);
    std::string all;
    while (std::ranges::count(all, '\n') < 2000)
        all += pipe.read_until("\n");
    CHECK(all.find("left out") == std::string::npos);
    CHECK((::fcntl(pipe.write.get(), F_GETFL) & O_NONBLOCK) != 0);
}

TEST_CASE("lines that a descriptor refuses are counted, and told of once it takes any")
{
    const Pipe pipe;
    const Fd place(::open("/dev/full", O_WRONLY | O_CLOEXEC));
    REQUIRE(place.is_open());
    Output& out = output(place.get(), 4096);
    out.put("a\nb\n");
    CHECK(out.finish(in(10s)));
    out.put("c\n");
    CHECK(out.finish(in(10s)));
    REQUIRE(::dup2(pipe.write.get(), place.get()) >= 0);
    out.put("d\n");
    CHECK(pipe.read_until("d\n") == "left out 3\nd\n");
}

TEST_CASE("a closed descriptor is no reason to go round")
{
    Output& out = output(-1, 4096);
    out.start();
    out.put("lost\n");
    CHECK(out.finish(in(10s)));
}

TEST_CASE("timed lines come when they are due, without any other")
{
    const Pipe pipe;
    std::atomic<int> due = 0;
    Output& out = output(pipe.write.get(), 4096,
                         [&due, at = Output::Clock::time_point()](
                             std::string& lines, Output::Clock::time_point now) mutable
                         -> std::optional<Output::Clock::time_point> {
                             if (due == 0)
                                 return std::nullopt;
                             if (at == Output::Clock::time_point())
                                 at = now + 50ms;
                             if (now < at)
                                 return at;
                             due = 0;
                             lines += "due\n";
                             return std::nullopt;
                         });
    out.start();
    due = 1;
    out.wake();
    CHECK(pipe.read_until("due\n") == "due\n");
    CHECK(out.finish(in(10s)));
}

TEST_CASE("a line that is longer than the whole queue is written, if nothing else waits")
{
    const Pipe pipe;
    Output& out = output(pipe.write.get(), 8192);
    const std::string line = std::string(100'000, 'x') + '\n';
    out.put(line);
    out.start();
    CHECK((pipe.read_until("\n") == line));
}
