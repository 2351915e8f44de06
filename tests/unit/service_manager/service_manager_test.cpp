#include "common/service_manager/service_manager.hpp"

#include <cstdlib>
#include <string>

#include <doctest/doctest.h>
#include <fmt/format.h>
#include <unistd.h>

#include "tests/support/temporary_folder.hpp"
#include "tests/unit/service_manager/notified.hpp"

using namespace std::chrono_literals;
using namespace tunnel;
using namespace tunnel::test;

namespace {

// What is read out of an environment with these variables; nobody listens there.
std::optional<std::chrono::microseconds> watchdog(const std::string& interval,
                                                  const std::string& process)
{
    const std::string name = fmt::format("@tunnel watchdog test {}", ::getpid());
    const Notified notified(name);
    ServiceEnvironment environment;
    environment.set("NOTIFY_SOCKET", name);
    if (!interval.empty())
        environment.set("WATCHDOG_USEC", interval);
    if (!process.empty())
        environment.set("WATCHDOG_PID", process);
    return ServiceManager::from_environment().watchdog();
}

} // namespace

TEST_CASE("without a service manager nobody is told, and nothing fails")
{
    auto manager = ServiceManager::from_environment();
    CHECK(!manager.is_there());
    CHECK(!manager.watchdog());
    manager.ready("all is well");
    manager.status("still");
    manager.alive();
    manager.stopping(1s);
}

TEST_CASE("each message is a datagram in the words of sd_notify")
{
    const TemporaryFolder folder;
    std::string name;
    SUBCASE("to a path")
    {
        name = folder.path() + "/notify";
    }
    SUBCASE("to an abstract name")
    {
        name = fmt::format("@tunnel test {}", ::getpid());
    }
    const Notified notified(name);
    ServiceEnvironment environment;
    environment.set("NOTIFY_SOCKET", name);
    auto manager = ServiceManager::from_environment();
    REQUIRE(manager.is_there());
    manager.ready();
    manager.ready("3 visitors");
    manager.alive();
    manager.main_pid(42);
    manager.stopping(1500ms);
    CHECK(notified.next() == "READY=1");
    CHECK(notified.next() == "READY=1\nSTATUS=3 visitors");
    CHECK(notified.next() == "WATCHDOG=1");
    CHECK(notified.next() == "MAINPID=42");
    CHECK(notified.next() == "STOPPING=1\nEXTEND_TIMEOUT_USEC=1500000");
    CHECK(notified.next().empty());
}

TEST_CASE("a reload is told with the time of the clock that tells it from earlier ones")
{
    const TemporaryFolder folder;
    const Notified notified(folder.path() + "/notify");
    ServiceEnvironment environment;
    environment.set("NOTIFY_SOCKET", folder.path() + "/notify");
    auto manager = ServiceManager::from_environment();
    timespec now{};
    ::clock_gettime(CLOCK_MONOTONIC, &now);
    manager.reloading();
    const std::string message = notified.next();
    constexpr std::string_view begin = "RELOADING=1\nMONOTONIC_USEC=";
    REQUIRE(message.starts_with(begin));
    const auto told = std::stoll(message.substr(begin.size()));
    CHECK(told >= now.tv_sec * 1'000'000 + now.tv_nsec / 1000);
    CHECK(told < (now.tv_sec + 60) * 1'000'000);
}

TEST_CASE("a status is sent once, until there is another, and is one line")
{
    const TemporaryFolder folder;
    const Notified notified(folder.path() + "/notify");
    ServiceEnvironment environment;
    environment.set("NOTIFY_SOCKET", folder.path() + "/notify");
    auto manager = ServiceManager::from_environment();
    manager.ready("one");
    manager.status("one");
    manager.status("two\nMAINPID=1");
    manager.status("two\nMAINPID=1");
    CHECK(notified.all() ==
          std::vector<std::string>{"READY=1\nSTATUS=one", "STATUS=two MAINPID=1"});
}

TEST_CASE("the variables are for this process alone")
{
    const TemporaryFolder folder;
    const Notified notified(folder.path() + "/notify");
    ServiceEnvironment environment;
    environment.set("NOTIFY_SOCKET", folder.path() + "/notify");
    environment.set("WATCHDOG_USEC", "1000000");
    environment.set("WATCHDOG_PID", std::to_string(::getpid()));
    const auto manager = ServiceManager::from_environment();
    CHECK(manager.watchdog() == 1s);
    for (const char* const name : {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"})
        CHECK(std::getenv(name) == nullptr);
    CHECK(!ServiceManager::from_environment().is_there());
}

TEST_CASE("a watchdog of another process, or without a sense, is none")
{
    CHECK(watchdog("30000000", "") == 30s);
    CHECK(watchdog("30000000", std::to_string(::getpid())) == 30s);
    CHECK(!watchdog("30000000", "1"));
    for (const char* const interval : {"", "0", "-1", "1s", "99999999999999999999"})
        CHECK(!watchdog(interval, ""));
}

TEST_CASE("a process that takes over learns of the watchdog from the one before it")
{
    const TemporaryFolder folder;
    const Notified notified(folder.path() + "/notify");
    ServiceEnvironment environment;
    environment.set("NOTIFY_SOCKET", folder.path() + "/notify");
    environment.set("WATCHDOG_USEC", "7000000");
    const auto former = ServiceManager::from_environment();
    const std::string told = former.with_watchdog(R"({"saved":"x"})");
    CHECK(told.find("\"saved\":\"x\"") != std::string::npos);
    environment.set("NOTIFY_SOCKET", folder.path() + "/notify");
    auto successor = ServiceManager::from_environment();
    CHECK(!successor.watchdog());
    for (const char* const nonsense : {"", "x", "7", R"({"watchdog_usec":"7"})",
                                       R"({"watchdog_usec":-7})", R"({"watchdog_usec":0})"})
        successor.take_watchdog(nonsense);
    CHECK(!successor.watchdog());
    successor.take_watchdog(told);
    CHECK(successor.watchdog() == 7s);
    ServiceManager none;
    CHECK(none.with_watchdog("{}") == "{}");
    none.take_watchdog(told);
    CHECK(!none.watchdog());
}

TEST_CASE("a socket that cannot be had is no error")
{
    for (const std::string& name : {std::string("/does/not/exist"), std::string("relative"),
                                    std::string("@"), std::string(), "/" + std::string(200, 'x')}) {
        ServiceEnvironment environment;
        environment.set("NOTIFY_SOCKET", name);
        CHECK(!ServiceManager::from_environment().is_there());
    }
}

TEST_CASE("a service manager that reads nothing, or has gone, holds up nobody")
{
    const TemporaryFolder folder;
    Notified notified(folder.path() + "/notify");
    ServiceEnvironment environment;
    environment.set("NOTIFY_SOCKET", folder.path() + "/notify");
    auto manager = ServiceManager::from_environment();
    const auto began = ServiceManager::Clock::now();
    for (int i = 0; i < 10'000; ++i) // more than the queue of a socket holds
        manager.status(std::to_string(i));
    notified.close();
    manager.alive();
    CHECK(ServiceManager::Clock::now() - began < 5s);
}
