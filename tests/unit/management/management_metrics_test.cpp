// What is told of the programs: metrics, and whether they are ready.
#include <doctest/doctest.h>

#include <cstdio>

#include <fmt/format.h>

#include "common/management/liveness.hpp"
#include "common/options/reload.hpp"
#include "origin-proxy/management/management.hpp"
#include "remote-proxy/management/management.hpp"
#include "tests/support/certificates.hpp"
#include "tests/support/temporary_file.hpp"

using namespace std::chrono_literals;
using namespace tunnel;
using namespace tunnel::test;

namespace {

Response ask(const Router& router, std::string_view path)
{
    Request request;
    request.method = Method::get;
    request.segments = {std::string(path)};
    const auto found = router.find(request);
    const auto* const handler = std::get_if<const Router::Handler*>(&found);
    return handler != nullptr ? (**handler)(request) : std::get<Response>(found);
}

RemoteStatus served_status()
{
    RemoteStatus status;
    status.services.push_back({"web", 2, 1, true, {7, 1000, 2000}});
    status.services.push_back({"we\"ird\n", 0, 0, false, {}});
    status.origins.push_back({"cellar", 1500us});
    status.visitors_refused = {{Code::denied, 3}, {Code::late, 4}};
    status.control_refused = {{Code::stranger, 5}};
    status.at_fronts = {{"https", "passed_on", 11}, {"http", "redirected", 12}};
    status.relay_loads = {2, 0};
    status.counts.log_ins = 6;
    status.counts.no_proof = 8;
    status.visitor_capacity = 9;
    status.counts.pairing.observe(1ms);
    status.counts.pairing.observe(20s);
    return status;
}

// What a process says of itself that has loaded nothing.
std::shared_ptr<const ProcessMetrics>
process(const std::string& program, const std::shared_ptr<CertificatesInUse>& loaded = nullptr)
{
    static asio::io_context io(1);
    return std::make_shared<const ProcessMetrics>(
        program, loaded ? loaded : std::make_shared<CertificatesInUse>(io));
}

Router remote(const RemoteStatus& status)
{
    return status_router([status] { return readiness(status); },
                         [status](Metrics& metrics) { add_metrics(status, metrics); },
                         process("remote-proxy"));
}

Router origin(const OriginStatus& status)
{
    return origin_management([status] { return status; },
                             [](ReloadReport&) -> awaitable<bool> { co_return true; },
                             process("origin-proxy"), [] { return AllTurns(); });
}

bool has_line(const std::string& text, std::string_view line)
{
    return ("\n" + text).find(fmt::format("\n{}\n", line)) != std::string::npos;
}

// What Prometheus' own rules say against it; empty: nothing, or its program is not here.
std::string wrong_by_promtool(const std::string& metrics)
{
    if (std::system("command -v promtool >/dev/null") != 0) {
        MESSAGE("skipped: promtool (Debian's package prometheus) is not installed");
        return {};
    }
    const TemporaryFile file(metrics);
    const std::string command = fmt::format("promtool check metrics <{} 2>&1", file.path());
    std::FILE* const output = ::popen(command.c_str(), "r");
    REQUIRE(output != nullptr);
    std::string said;
    for (int c = std::fgetc(output); c != EOF; c = std::fgetc(output))
        said += static_cast<char>(c);
    if (const int status = ::pclose(output); status != 0)
        said += fmt::format("promtool ended with {}", status);
    return said;
}

} // namespace

TEST_CASE("the metrics of both programs keep the rules of Prometheus")
{
    CHECK(wrong_by_promtool(ask(remote(served_status()), "metrics").body) == "");
    OriginStatus status;
    status.links = {{"a.example:9001", true, 3, 2ms}, {"b.example:9001", false, 0, {}}};
    status.relay_loads = {1};
    CHECK(wrong_by_promtool(ask(origin(status), "metrics").body) == "");
}

TEST_CASE("reloads are counted by what they came to, and certificates told with their ends")
{
    asio::io_context io(1);
    const Certificate certificate({.common_name = "x"});
    const auto loaded = std::make_shared<CertificatesInUse>(io);
    loaded->note_reload(true);
    loaded->note_reload(true);
    loaded->note_reload(false);
    loaded->take_certificates({certificate.path()});
    Metrics metrics;
    process("remote-proxy", loaded)->add_to(metrics);
    const std::string text = metrics.response().body;
    CAPTURE(text);
    CHECK(has_line(text, "tunnel_reloads_total{result=\"success\"} 2"));
    CHECK(has_line(text, "tunnel_reloads_total{result=\"failure\"} 1"));
    CHECK(
        has_line(text, fmt::format("tunnel_certificate_expiry_timestamp_seconds{{file=\"{}\"}} {}",
                                   certificate.path(),
                                   loaded->certificates().at(0).until.time_since_epoch().count())));
    CHECK(wrong_by_promtool(text) == "");
}

TEST_CASE("the remote proxy tells its services, visitors, origin proxies and refusals")
{
    const Response response = ask(remote(served_status()), "metrics");
    CHECK(response.content_type.starts_with("text/plain; version=0.0.4"));
    const std::string& text = response.body;
    for (const auto* line :
         {"# TYPE tunnel_visitors gauge",
          "tunnel_visitors{service=\"web\"} 2",
          "tunnel_visitors{service=\"we\\\"ird\\n\"} 0",
          "tunnel_visitors_total{service=\"web\"} 7",
          "tunnel_visitor_bytes_total{service=\"web\",direction=\"to_origin\"} 1000",
          "tunnel_visitor_bytes_total{service=\"web\",direction=\"to_visitor\"} 2000",
          "tunnel_service_origin_proxies{service=\"web\"} 1",
          "tunnel_visitors_refused_total{reason=\"denied\"} 3",
          "tunnel_visitors_refused_total{reason=\"late\"} 4",
          "tunnel_front_visitors_total{front=\"https\",result=\"passed_on\"} 11",
          "tunnel_front_visitors_total{front=\"http\",result=\"redirected\"} 12",
          "tunnel_origin_proxies 1",
          "tunnel_control_round_trip_seconds{origin=\"cellar\"} 0.0015",
          "tunnel_log_ins_total 6",
          "tunnel_control_refused_total{reason=\"stranger\"} 5",
          "tunnel_log_ins_unproved_total 8",
          "tunnel_visitor_capacity 9",
          "# TYPE tunnel_pairing_seconds histogram",
          "tunnel_pairing_seconds_count 2",
          "tunnel_pairing_seconds_bucket{le=\"0.0005\"} 0",
          "tunnel_pairing_seconds_bucket{le=\"0.001\"} 1",
          "tunnel_pairing_seconds_bucket{le=\"10\"} 1",
          "tunnel_pairing_seconds_bucket{le=\"+Inf\"} 2",
          "tunnel_relay_pairs{worker=\"0\"} 2",
          "tunnel_build_info{program=\"remote-proxy\",version=\"" TUNNEL_VERSION "\"} 1"})
        CHECK_MESSAGE(has_line(text, line), line);
}

TEST_CASE("the origin proxy tells of the servers that are checked, for each remote proxy")
{
    OriginStatus status;
    status.services = {{"web", "localhost:80", {}, {{"a:9001", true}, {"b:9001", false}}},
                       {"ssh", "localhost:22"}};
    const std::string text = ask(origin(status), "metrics").body;
    CHECK(has_line(text, "tunnel_origin_server_healthy{service=\"web\",remote=\"a:9001\"} 1"));
    CHECK(has_line(text, "tunnel_origin_server_healthy{service=\"web\",remote=\"b:9001\"} 0"));
    CHECK(text.find("service=\"ssh\"") == std::string::npos);
}

TEST_CASE("the metrics of the process are those that Prometheus names")
{
    const std::string text = ask(origin({}), "metrics").body;
    for (const auto* name : {"process_open_fds", "process_max_fds", "process_cpu_seconds_total",
                             "process_resident_memory_bytes", "process_start_time_seconds"}) {
        const std::size_t place = text.find(fmt::format("\n{} ", name));
        REQUIRE_MESSAGE(place != std::string::npos, name);
        CHECK_MESSAGE(std::stod(text.substr(text.find(' ', place) + 1)) > 0, name);
    }
}

TEST_CASE("the remote proxy is ready when each service that is expected has an origin proxy")
{
    RemoteStatus status = served_status();
    CHECK(ask(remote(status), "ready").status == 200);
    status.services.at(0).origins = 0;
    const Response unready = ask(remote(status), "ready");
    CHECK(unready.status == 503);
    CHECK(unready.body == "503 Service Unavailable: no origin proxy for web\n");
    CHECK(ask(remote(status), "healthz").status == 200);
    CHECK(ask(remote(status), "ping").body == "pong");
    status = served_status();
    status.stopping = true;
    CHECK(ask(remote(status), "ready").status == 503);
}

TEST_CASE("a check by OPTIONS gets the status that GET would get")
{
    RemoteStatus status = served_status();
    const auto options = [&status](std::string_view path) {
        Request request;
        request.method = Method::options;
        request.segments = {std::string(path)};
        const Router router = remote(status);
        const auto found = router.find(request);
        const auto* const handler = std::get_if<const Router::Handler*>(&found);
        return handler != nullptr ? (**handler)(request).status : std::get<Response>(found).status;
    };
    for (const auto* path : {"ping", "healthz", "ready"})
        CHECK(options(path) == 200);
    status.stopping = true;
    CHECK(options("ready") == 503);
    CHECK(options("metrics") == 405);
}

TEST_CASE("the origin proxy is ready while a service is open at one of its remote proxies")
{
    OriginStatus status;
    status.links = {{"a.example:9001"}, {"b.example:9001"}};
    status.services = {{"web", "localhost:80"}, {"ssh", "localhost:22"}};
    const Response away = ask(origin(status), "ready");
    CHECK(away.status == 503);
    CHECK(away.body.find("not logged in to the remote proxy") != std::string::npos);
    status.links.at(1).logged_in = true; // the other one is away
    const Response closed = ask(origin(status), "ready");
    CHECK(closed.status == 503);
    CHECK(closed.body.find("no service is open") != std::string::npos);
    status.services.at(1).outside = {{"b.example:9001", "192.0.2.1:22"}};
    CHECK(ask(origin(status), "ready").status == 200);
    status.stopping = true;
    CHECK(ask(origin(status), "ready").status == 503);
    CHECK(ask(origin(status), "healthz").status == 200);
}
