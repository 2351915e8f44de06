#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <list>
#include <string>
#include <system_error>

#include <sys/stat.h>
#include <unistd.h>

#include "remote-proxy/fronts/acme_webroot.hpp"
#include "tests/unit/fronts/challenges.hpp"
#include "tests/unit/io.hpp"

using namespace tunnel;
using namespace tunnel::test;
using Is = AcmeFile::Is;

namespace {

struct Disk {
    AcmeFile look(const std::string& token)
    {
        AcmeFile found;
        run(io, [&]() -> awaitable<void> { found = co_await webroot.read(token); });
        return found;
    }

    Challenges challenges;
    asio::io_context io;
    AcmeWebroot webroot{io, challenges.root};
};

} // namespace

TEST_CASE("a challenge is read as it is at the moment")
{
    Disk disk;
    CHECK(disk.look("token").is == Is::missing);
    disk.challenges.put("token", "token.thumbprint");
    CHECK(disk.look("token").is == Is::there);
    CHECK(disk.look("token").content == "token.thumbprint");
    disk.challenges.put("next", "another");
    std::filesystem::rename(disk.challenges.folder / "next", disk.challenges.folder / "token");
    CHECK(disk.look("token").content == "another");
    disk.challenges.put("token", "");
    CHECK(disk.look("token").is == Is::there);
    CHECK(disk.look("token").content == "");
}

TEST_CASE("the folders below the webroot may come and go")
{
    Disk disk;
    std::filesystem::remove_all(disk.challenges.root / ".well-known");
    CHECK(disk.look("token").is == Is::missing);
    std::filesystem::create_directories(disk.challenges.folder);
    disk.challenges.put("token", "again");
    CHECK(disk.look("token").content == "again");
}

TEST_CASE("no symbolic link is followed, neither a file nor a folder")
{
    Disk disk;
    std::ofstream(disk.challenges.root / "secret") << "a secret";
    std::filesystem::create_symlink(disk.challenges.root / "secret",
                                    disk.challenges.folder / "token");
    CHECK(disk.look("token").is == Is::refused);
    CHECK(disk.look("token").content == "");
    CHECK(disk.look("token").why != "");
    std::filesystem::rename(disk.challenges.folder, disk.challenges.root / "elsewhere");
    disk.challenges.folder = disk.challenges.root / "elsewhere";
    disk.challenges.put("plain", "text");
    std::filesystem::create_directory_symlink(
        disk.challenges.folder, disk.challenges.root / ".well-known" / "acme-challenge");
    CHECK(disk.look("plain").is != Is::there);
}

TEST_CASE("only a regular file is read, and a FIFO makes nobody wait")
{
    Disk disk;
    REQUIRE(::mkfifo((disk.challenges.folder / "fifo").c_str(), 0600) == 0);
    CHECK(disk.look("fifo").is == Is::refused);
    std::filesystem::create_directory(disk.challenges.folder / "folder");
    CHECK(disk.look("folder").is == Is::refused);
}

TEST_CASE("a file that is larger than a challenge is refused")
{
    Disk disk;
    disk.challenges.put("most", std::string(4096, 'a'));
    CHECK(disk.look("most").content == std::string(4096, 'a'));
    disk.challenges.put("more", std::string(4097, 'a'));
    CHECK(disk.look("more").is == Is::refused);
    CHECK(disk.look("more").content == "");
}

TEST_CASE("what is no token is looked for nowhere")
{
    Disk disk;
    std::ofstream(disk.challenges.folder / "a.b") << "text";
    for (const char* const token : {"", ".", "..", "a.b", "../../secret", "/etc/passwd"})
        CHECK(disk.look(token).is == Is::missing);
}

TEST_CASE("a bounded number of challenges is looked for at once, and later ones again")
{
    Disk disk;
    disk.challenges.put("token", "text");
    int there = 0;
    int not_now = 0;
    const auto look = [&]() -> awaitable<void> {
        const AcmeFile found = co_await disk.webroot.read("token");
        there += found.is == Is::there ? 1 : 0;
        not_now += found.is == Is::not_now ? 1 : 0;
    };
    // Answers arrive on the io_context only, after all have asked.
    for (std::size_t i = 0; i < AcmeWebroot::most_waiting + 10; ++i)
        asio::co_spawn(disk.io, look(), [](const std::exception_ptr&) {});
    REQUIRE(run_until(disk.io, [&] { return there + not_now == 42; }));
    CHECK(there == static_cast<int>(AcmeWebroot::most_waiting));
    CHECK(not_now == 10);
    CHECK(disk.look("token").is == Is::there);
}

TEST_CASE("whoever waits for a challenge can be cancelled")
{
    Disk disk;
    asio::cancellation_signal signal;
    bool ended = false;
    asio::co_spawn(
        disk.io, [&]() -> awaitable<void> { co_await disk.webroot.read("token"); },
        asio::bind_cancellation_slot(signal.slot(),
                                     [&](const std::exception_ptr&) { ended = true; }));
    disk.io.poll_one(); // it has asked
    signal.emit(asio::cancellation_type::terminal);
    REQUIRE(run_until(disk.io, [&] { return ended; }));
}

TEST_CASE("a webroot that is not there is an error that names it")
{
    asio::io_context io;
    try {
        const AcmeWebroot webroot(io, "/nonexistent/webroot");
        FAIL("it has been opened");
    } catch (const std::system_error& error) {
        CHECK(std::string(error.what()).find("/nonexistent/webroot") != std::string::npos);
    }
}
