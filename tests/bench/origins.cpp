// tunnel-origins: many origin proxies in one process, each with a secret and a service of its own,
// for what happens when all of them log in at once.
#include <CLI/CLI.hpp>
#include <atomic>
#include <cstdio>
#include <deque>
#include <fstream>
#include <stdexcept>
#include <thread>

#include <fmt/format.h>

#include "common/base/log.hpp"
#include "common/base/process.hpp"
#include "common/security/secret.hpp"
#include "origin-proxy/origin_proxy.hpp"

namespace {

struct Flags {
    std::string remote_proxy;
    std::string origin_server;
    std::string secrets;
    std::uint16_t first_port = 0;
    bool encrypted = true;
};

// One of them, as the program runs it, but with a relay that has no thread of its own.
class Player {
public:
    Player(const tunnel::OriginOptions& options, std::atomic<std::size_t>& ready)
        : proxy_(io_, options,
                 [&ready](const tunnel::Address&, const std::string&,
                          const std::vector<tunnel::Opened>& open) { ready += open.size(); })
    {
    }

    void start()
    {
        proxy_.start();
        thread_ = std::thread([this] {
            while (!proxy_.stopped())
                proxy_.run_some();
        });
    }

    void stop()
    {
        asio::post(io_, [this] { proxy_.stop_now(); });
    }

    void join() { thread_.join(); }

private:
    asio::io_context io_{1};
    tunnel::OriginProxy proxy_;
    std::thread thread_;
};

std::vector<std::string> lines_of(const std::string& path)
{
    std::ifstream file(path);
    std::vector<std::string> lines;
    for (std::string line; std::getline(file, line);)
        lines.push_back(line);
    if (lines.empty())
        throw std::runtime_error(path + ": there is no secret in it");
    return lines;
}

tunnel::Address address_of(const std::string& text)
{
    const auto address = tunnel::parse_address(text);
    if (!address)
        throw std::runtime_error(fmt::format("\"{}\" is not {}", text, tunnel::address_syntax));
    return *address;
}

void play(const Flags& flags)
{
    tunnel::OriginOptions options;
    options.descriptor_limit = tunnel::prepare_process();
    options.remote_proxies = {{address_of(flags.remote_proxy), {}}};
    options.common.relay_threads = 1; // the one that it lends to the relay
    options.common.spin = std::chrono::microseconds(0);
    if (!flags.encrypted)
        options.trust.encryption = tunnel::Encryption::off;
    const std::vector<std::string> secrets = lines_of(flags.secrets);
    std::atomic<std::size_t> ready = 0;
    std::deque<Player> players;
    for (std::size_t i = 0; i < secrets.size(); ++i) {
        const auto port = static_cast<std::uint16_t>(flags.first_port + i);
        options.trust.secret =
            tunnel::parse_secret(secrets[i], fmt::format("{} line {}", flags.secrets, i + 1));
        options.services = {
            {fmt::format("s{}", i), address_of(flags.origin_server), tunnel::Address{"", port}}};
        players.emplace_back(options, ready);
    }
    asio::io_context io;
    asio::signal_set signals(io, SIGTERM, SIGINT);
    signals.async_wait([&](std::error_code, int) { io.stop(); });
    for (Player& player : players)
        player.start();
    bool told = false;
    while (!io.stopped()) {
        io.run_for(std::chrono::milliseconds(10));
        if (!told && ready >= players.size()) {
            told = true;
            tunnel::print_ready({{{"origins", std::to_string(players.size())}}, {}});
        }
    }
    for (Player& player : players)
        player.stop();
    for (Player& player : players)
        player.join();
}

} // namespace

int main(int argc, char** argv)
{
    CLI::App app("Plays an origin proxy for each line of a file with secrets", "tunnel-origins");
    Flags flags;
    app.add_option("--remote-proxy-addr", flags.remote_proxy, "HOST:PORT to log in at")->required();
    app.add_option("--origin-server-addr", flags.origin_server, "HOST:PORT behind each")
        ->required();
    app.add_option("--secrets", flags.secrets, "File with one secret a line")->required();
    app.add_option("--first-port", flags.first_port,
                   "Outside port of the first one's service s0; s1 is at the next, and so on")
        ->required();
    app.add_flag("!--no-encryption", flags.encrypted, "Prove the secrets, but do not encrypt");
    CLI11_PARSE(app, argc, argv);
    // Tests look for each try to log in: those that repeat themselves are details.
    tunnel::log::configure(tunnel::log::Level::debug, tunnel::log::Format::text);
    tunnel::log::keep_every_line();
    try {
        play(flags);
    } catch (const std::exception& error) {
        std::fprintf(stderr, "tunnel-origins: %s\n", error.what());
        return 1;
    }
    return 0;
}
