#include "common/service_manager/service_reports.hpp"

#include <algorithm>
#include <string>

#include <doctest/doctest.h>

#include "tests/support/temporary_folder.hpp"
#include "tests/unit/io.hpp"
#include "tests/unit/service_manager/notified.hpp"

using namespace std::chrono_literals;
using namespace tunnel;
using namespace tunnel::test;

namespace {

struct Reported {
    TemporaryFolder folder;
    Notified notified{folder.path() + "/notify"};
    ServiceEnvironment environment;
    asio::io_context io{1};
    ServiceManager manager;
    std::string status = "as ever";
    bool turns = true;

    explicit Reported(const std::string& watchdog = {})
    {
        environment.set("NOTIFY_SOCKET", folder.path() + "/notify");
        if (!watchdog.empty())
            environment.set("WATCHDOG_USEC", watchdog);
        manager = ServiceManager::from_environment();
    }

    ServiceReports::Sources sources()
    {
        return {[this] { return status; }, [this] { return turns; }};
    }

    // The next message that begins so; others are passed over.
    std::string wait_for(std::string_view begin)
    {
        std::string found;
        run_until(io, [&] {
            for (std::string each = notified.next(); !each.empty(); each = notified.next()) {
                if (each.starts_with(begin))
                    found = each;
            }
            return !found.empty();
        });
        return found;
    }
};

} // namespace

TEST_CASE("ready is told once, with the status")
{
    Reported test;
    ServiceReports reports(test.io, test.manager, test.sources());
    reports.ready();
    reports.ready();
    CHECK(test.notified.all() == std::vector<std::string>{"READY=1\nSTATUS=as ever"});
}

TEST_CASE("whoever waits for the service waits no longer than is said")
{
    Reported test;
    ServiceReports reports(test.io, test.manager, test.sources());
    reports.ready_after(1ms);
    CHECK(test.wait_for("READY") == "READY=1\nSTATUS=as ever");
}

TEST_CASE("a status that has changed is told by itself")
{
    Reported test;
    ServiceReports reports(test.io, test.manager, test.sources());
    reports.ready();
    test.status = "otherwise";
    CHECK(test.wait_for("STATUS") == "STATUS=otherwise");
}

TEST_CASE("the watchdog is fed by turns of the loop, more often than it needs")
{
    Reported test("300000");
    const ServiceReports reports(test.io, test.manager, test.sources());
    const auto began = Clock::now();
    CHECK(test.wait_for("WATCHDOG") == "WATCHDOG=1");
    CHECK(test.wait_for("WATCHDOG") == "WATCHDOG=1");
    CHECK(Clock::now() - began >= 200ms);
}

TEST_CASE("while another thread stands the watchdog is not fed")
{
    Reported test("3000");
    test.turns = false;
    const ServiceReports reports(test.io, test.manager, test.sources());
    test.io.run_for(100ms);
    CHECK(test.notified.all().empty());
    test.turns = true;
    CHECK(test.wait_for("WATCHDOG") == "WATCHDOG=1");
}

TEST_CASE("the begin and the end of a reload are told, but not of a program that is not ready")
{
    Reported test;
    ServiceReports reports(test.io, test.manager, test.sources());
    reports.reloading(true);
    reports.reloading(false);
    CHECK(test.notified.all().empty());
    reports.ready();
    reports.reloading(true);
    reports.reloading(false);
    reports.stopping(2s);
    reports.reloading(true);
    const auto all = test.notified.all();
    REQUIRE(all.size() == 4);
    CHECK(all[1].starts_with("RELOADING=1\n"));
    CHECK(all[2].starts_with("READY=1\n"));
    CHECK(all[3] == "STOPPING=1\nEXTEND_TIMEOUT_USEC=12000000"); // and ten seconds to end
}

TEST_CASE("a process that has been taken over from tells nothing any more")
{
    Reported test("3000");
    ServiceReports reports(test.io, test.manager, test.sources());
    reports.ready();
    reports.leave();
    static_cast<void>(test.notified.all());
    test.status = "otherwise";
    reports.stopping(1s);
    reports.reloading(true);
    test.io.run_for(50ms);
    CHECK(test.notified.all().empty());
}

TEST_CASE("without a service manager there is nothing to wait for")
{
    asio::io_context io(1);
    ServiceManager manager;
    ServiceReports reports(io, manager, {[] { return std::string(); }, [] { return true; }});
    reports.ready_after(1h);
    reports.ready();
    CHECK(runs_dry(io));
}
