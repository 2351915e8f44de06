#include <doctest/doctest.h>

#include <string>

#include "remote-proxy/http/access_log.hpp"
#include "tests/unit/captured.hpp"

using namespace std::chrono_literals;
using namespace tunnel;
using namespace tunnel::test;

namespace {

std::string line_of(const AccessRecord& access, log::Format format = log::Format::text)
{
    const Captured captured(STDERR_FILENO);
    log::configure(log::Level::info, format);
    log_access(access);
    log::configure(log::Level::error, log::Format::text); // as support/main.cpp has it
    return captured.text();
}

bool ends(const std::string& line, std::string_view end)
{
    return line.ends_with(end);
}

} // namespace

TEST_CASE("the path of a target is logged without its query, which may be private")
{
    CHECK(path_of("/a/b?token=x") == "/a/b");
    CHECK(path_of("/a#x?y") == "/a");
    CHECK(path_of("/?") == "/");
    CHECK(path_of("/a?u=http://b/c") == "/a");
    CHECK(path_of("/go/http://b/c") == "/go/http://b/c");
    CHECK(path_of("http://app.test/a?b=c") == "/a");
    CHECK(path_of("http://user:secret@app.test/a") == "/a");
    CHECK(path_of("http://app.test") == "/");
    CHECK(path_of("http://app.test?a=b") == "/");
    CHECK(path_of("*") == "*");
    CHECK(path_of("") == "");
}

TEST_CASE("a line tells what a request was and what became of it")
{
    AccessRecord access;
    access.method = "GET";
    access.host = "app.example.com";
    access.target = "/a/b?token=secret";
    access.status = 200;
    access.bytes = 1234;
    access.took = 25ms;
    access.service = "web";
    access.visitor = "192.0.2.1:50000";
    access.user = "alice";
    CHECK(ends(line_of(access),
               " request visitor=192.0.2.1:50000 service=web user=alice method=GET "
               "host=app.example.com path=/a/b status=200 sent=1234 took=0.025s\n"));
    CHECK(ends(line_of(access, log::Format::json),
               "\"visitor\":\"192.0.2.1:50000\",\"service\":\"web\",\"user\":\"alice\",\"method\":"
               "\"GET\",\"host\":\"app.example.com\",\"path\":\"/a/b\",\"status\":200,"
               "\"sent_bytes\":1234,\"took_seconds\":0.025}\n"));
}

TEST_CASE("what there is not is left out, and an answer of ours has its code")
{
    const Code code = Code::unknown_host;
    AccessRecord access;
    access.method = "GET";
    access.target = "/";
    access.status = 404;
    access.visitor = "192.0.2.1:50000";
    access.own_answer = &code;
    CHECK(ends(line_of(access), " request visitor=192.0.2.1:50000 method=GET path=/ status=404 "
                                "sent=0 took=0.000s code=unknown_host\n"));
    access.status = 0;
    access.own_answer = nullptr;
    CHECK(ends(line_of(access),
               " request visitor=192.0.2.1:50000 method=GET path=/ sent=0 took=0.000s\n"));
}

TEST_CASE("what a visitor sends can neither forge a line nor make it long, and none is left out")
{
    const std::string evil =
        "/a\r\n2026-01-01T00:00:00Z info  request \x1b[31m\" " + std::string(9000, 'x');
    AccessRecord access;
    access.method = access.host = access.target = access.user = evil;
    access.visitor = "192.0.2.1:50000";
    const std::string line = line_of(access);
    CHECK(line.find('\n') == line.size() - 1);
    CHECK(line.find('\r') == std::string::npos);
    CHECK(line.find('\x1b') == std::string::npos);
    CHECK(line.size() < 1500);
    const Captured captured(STDERR_FILENO);
    log::configure(log::Level::info, log::Format::text);
    for (int i = 0; i < 3000; ++i)
        log_access(access);
    log::configure(log::Level::error, log::Format::text);
    const std::string lines = captured.text();
    CHECK(std::count(lines.begin(), lines.end(), '\n') == 3000);
}
