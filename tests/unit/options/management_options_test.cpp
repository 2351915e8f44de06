// Where the management interface may listen.
#include <doctest/doctest.h>

#include <cstdio>
#include <stdexcept>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/management/management_listener.hpp"
#include "tests/unit/configured.hpp"

using namespace tunnel;
using namespace tunnel::test;

namespace {

// The name of a file that is not there.
struct Path {
    Path()
    {
        if (::mkdtemp(folder.data()) == nullptr)
            throw std::runtime_error("no temporary folder");
        name = folder + "/socket";
    }

    Path(const Path&) = delete;
    Path& operator=(const Path&) = delete;

    ~Path()
    {
        ::unlink(name.c_str());
        ::rmdir(folder.c_str());
    }

    bool exists() const
    {
        struct stat there {};

        return ::lstat(name.c_str(), &there) == 0;
    }

    std::string folder = "/tmp/management-XXXXXX";
    std::string name{};
};

ManagementOptions at(const std::string& address)
{
    ManagementOptions options;
    options.address = parse_management_address(address);
    REQUIRE(options.address.has_value());
    return options;
}

std::string failure_of_listener(const ManagementOptions& options)
{
    asio::io_context io;
    try {
        GivenSockets none;
        const ManagementListener listener(io, options, none);
        return {};
    } catch (const std::exception& error) {
        return error.what();
    }
}

} // namespace

TEST_CASE("a management address is a socket file or an address")
{
    CHECK(parse_management_address("unix:/run/a.sock")->path == "/run/a.sock");
    CHECK(parse_management_address("127.0.0.1:9057")->address == Address{"127.0.0.1", 9057});
    CHECK_FALSE(parse_management_address("unix:"));
    CHECK_FALSE(parse_management_address("unix:" + std::string(108, 'a')));
    CHECK(parse_management_address("unix:" + std::string(107, 'a')));
    CHECK_FALSE(parse_management_address("9057"));
    CHECK_FALSE(parse_management_address(""));
    for (const auto* text : {"unix:/run/a.sock", "127.0.0.1:9057", "[::1]:9057", ":9057"})
        CHECK(to_string(*parse_management_address(text)) == text);
}

TEST_CASE("an address that others reach needs a token, and the refusal says what to do")
{
    for (const auto* address : {":9057", "0.0.0.0:9057", "[::]:9057", "192.0.2.1:9057"}) {
        ManagementOptions options = at(address);
        const std::string why = options.contradiction();
        CHECK(why.find(address) != std::string::npos);
        CHECK(why.find("--management-token-file") != std::string::npos);
        CHECK(why.find("unix:PATH") != std::string::npos);
        options.read_token_file = "token";
        CHECK(options.contradiction() == "");
    }
    for (const auto* address : {"127.0.0.1:1", "127.9.9.9:1", "[::1]:1", "localhost:1", "unix:a"})
        CHECK(at(address).contradiction() == "");
    ManagementOptions useless;
    useless.token_file = "token";
    CHECK(useless.contradiction().find("--management-addr") != std::string::npos);
}

TEST_CASE("both programs have the keys of the management interface")
{
    const std::string toml = "management-addr = \"0.0.0.0:9057\"\nmanagement-token-file = \"t\"\n"
                             "management-read-token-file = \"r\"\n";
    const auto check = [](const auto& configured) {
        CHECK(configured.problems == "");
        const ManagementOptions& management = configured.options.common.management;
        CHECK(to_string(management.address.value()) == "0.0.0.0:9057");
        CHECK(management.token_file == "t");
        CHECK(management.read_token_file == "r");
    };
    check(remote_with(toml + "outside-addr = \":1\"\n"));
    check(origin_with(toml + "origin-server-addr = \":1\"\n"));
    CHECK(remote_with("outside-addr = \":1\"\nmanagement-addr = \":9057\"\n")
              .says("management-token-file"));
    CHECK(remote_with("outside-addr = \":1\"\nmanagement-addr = \"nowhere\"\n")
              .complains_of(3, "unix:PATH"));
}

TEST_CASE("services can be marked as required")
{
    const auto configured = remote_with("[services.a]\noutside-addr = \":1\"\nrequired = true\n"
                                        "[services.b]\noutside-addr = \":2\"\n");
    REQUIRE(configured.problems == "");
    CHECK(configured.options.services.at(0).required);
    CHECK_FALSE(configured.options.services.at(1).required);
    CHECK(remote_with("[services.a]\noutside-addr = \":1\"\nrequired = 1\n")
              .complains_of(4, "required of services.a"));
}

TEST_CASE("a socket file is for its owner alone, and gone afterwards")
{
    const Path path;
    asio::io_context io;
    {
        GivenSockets none;
        const ManagementListener listener(io, at("unix:" + path.name), none);

        struct stat made {};

        REQUIRE(::lstat(path.name.c_str(), &made) == 0);
        CHECK(S_ISSOCK(made.st_mode));
        CHECK((made.st_mode & 0777) == 0600);
        CHECK(listener.where() == "unix:" + path.name);
        CHECK_FALSE(listener.loopback_host());
        // Of a program that runs it is not taken away.
        CHECK(failure_of_listener(at("unix:" + path.name)).find(path.name) != std::string::npos);
        CHECK(path.exists());
    }
    CHECK_FALSE(path.exists());
}

TEST_CASE("a socket file that nobody listens at is replaced, and no other file is")
{
    const Path path;
    asio::io_context io;
    {
        // Another name at its end, so that it stays, as after a kill.
        GivenSockets none;
        const ManagementListener listener(io, at("unix:" + path.name), none);
        REQUIRE(::rename(path.name.c_str(), (path.folder + "/left").c_str()) == 0);
    }
    const std::string left = path.folder + "/left";
    REQUIRE(::rename(left.c_str(), path.name.c_str()) == 0);
    CHECK(failure_of_listener(at("unix:" + path.name)) == "");
    CHECK_FALSE(path.exists());

    REQUIRE(::close(::open(path.name.c_str(), O_CREAT | O_WRONLY, 0600)) == 0);
    CHECK(failure_of_listener(at("unix:" + path.name)).find(path.name) != std::string::npos);
    CHECK(path.exists());
}

TEST_CASE("a port of the loopback tells where it is, and one in use is named")
{
    asio::io_context io;
    GivenSockets none;
    const ManagementListener listener(io, at("localhost:0"), none);
    REQUIRE(listener.endpoint().has_value());
    CHECK(listener.endpoint()->address().is_loopback());
    CHECK(listener.endpoint()->port() != 0);
    CHECK(listener.loopback_host() == listener.endpoint()->address().to_string());
    CHECK(failure_of_listener(at(listener.where())).find(listener.where()) != std::string::npos);
}
