// tunnel-bench serve                         the origin server behind the tunnels
// tunnel-bench run CASE --connect HOST:PORT  visitors; prints one JSON object
#include <CLI/CLI.hpp>
#include <cstdio>
#include <functional>
#include <map>
#include <string>

#include "tests/bench/cases.hpp"
#include "tests/bench/server.hpp"
#include "tests/bench/socket.hpp"

namespace {

struct Flags {
    std::string target;
    double seconds = 1;
    std::string direction = "up";
    std::string protocol = "raw";
    bench::Load load;
};

const std::map<std::string, bench::Protocol> protocols{
    {"raw", bench::Protocol::raw},         {"hello", bench::Protocol::hello},
    {"https", bench::Protocol::https},     {"http", bench::Protocol::http},
    {"upgrade", bench::Protocol::upgrade},
};

using Case = std::function<nlohmann::json(const bench::Load&)>;

void print(const nlohmann::json& result)
{
    std::printf("%s\n", result.dump().c_str());
}

void add_case(CLI::App& run, Flags& flags, const std::string& name, const std::string& help,
              const Case& measure, bool prints_itself = false)
{
    CLI::App* command = run.add_subcommand(name, help);
    command->add_option("--connect", flags.target, "HOST:PORT of the tunnel")->required();
    command->add_option("--ports", flags.load.ports, "Spread new connections over so many ports")
        ->check(CLI::Range(1, 10'000));
    command->add_option("--seconds", flags.seconds, "Duration");
    command->add_option("--visitors", flags.load.visitors, "How many visitors in all");
    command->add_option("--at-once", flags.load.at_once, "How many of them at a time");
    command->add_option("--size", flags.load.size, "Bytes of a message")
        ->check(CLI::Range(1, 4096));
    command->add_option("--protocol", flags.protocol, "What comes before the case's own bytes")
        ->check(CLI::IsMember(protocols));
    command->add_option("--direction", flags.direction)->check(CLI::IsMember({"up", "down"}));
    command->callback([&flags, measure, prints_itself] {
        flags.load.target = bench::parse_target(flags.target);
        flags.load.up = flags.direction == "up";
        flags.load.protocol = protocols.at(flags.protocol);
        flags.load.duration = std::chrono::duration_cast<bench::Clock::duration>(
            std::chrono::duration<double>(flags.seconds));
        const nlohmann::json result = measure(flags.load);
        if (!prints_itself)
            print(result);
    });
}

} // namespace

int main(int argc, char** argv)
{
    bench::prepare_process();
    CLI::App app("Load for TCP tunnels", "tunnel-bench");
    app.require_subcommand(1);
    std::string listen = "127.0.0.1:0";
    std::string certificate;
    CLI::App* serve = app.add_subcommand("serve", "Be the origin server for every case");
    serve->add_option("--listen", listen, "HOST:PORT");
    serve->add_option("--certificate", certificate, "PEM with its key, for visitors who speak TLS");
    serve->callback([&] { bench::serve(bench::parse_target(listen), certificate); });

    Flags flags;
    CLI::App* run = app.add_subcommand("run", "Measure one case");
    run->require_subcommand(1);
    add_case(*run, flags, "connect", "New connections", bench::run_connect);
    add_case(*run, flags, "round-trips", "Messages to and fro", bench::run_round_trips);
    add_case(*run, flags, "bulk", "All that goes, one way", bench::run_bulk);
    add_case(*run, flags, "bodies", "Long bodies of HTTP, one way", bench::run_bodies);
    add_case(*run, flags, "events", "Server-sent events", bench::run_events);
    add_case(*run, flags, "idle", "Visitors that are held", bench::run_idle, true);
    add_case(*run, flags, "half-close", "Answers after the end", bench::run_half_close);
    add_case(*run, flags, "mixed", "Pieces of all sizes", bench::run_mixed);
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        return app.exit(error);
    } catch (const std::exception& error) {
        std::fprintf(stderr, "tunnel-bench: %s\n", error.what());
        return 1;
    }
    return 0;
}
