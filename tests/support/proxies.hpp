// The proxies under test, each with a thread and an io_context of its own, and with limits that
// make a test short.
#pragma once

#include <atomic>
#include <future>
#include <optional>
#include <string>
#include <thread>

#include "origin-proxy/origin_proxy.hpp"
#include "remote-proxy/remote_proxy.hpp"
#include "tests/support/stream.hpp"

namespace tunnel::test {

// "127.0.0.1:80", as it is said of a service.
tcp::endpoint numeric_endpoint(const std::string& address);

// 127.0.0.1 and a port that the kernel chooses; seconds where the programs have minutes.
RemoteOptions remote_options();
OriginOptions origin_options(const tcp::endpoint& remote, const tcp::endpoint& origin_server);

// Fails the test if one turn took more processor time than any may: nobody else would have been
// served meanwhile. Only in the optimised build, and not by the clock, which also runs while the
// thread waits for a core.
void check_turns(const AllTurns& turns);

// Runs an io_context on a thread. `Proxy` has start(), stop_gently(), stop_now() and stopped().
template <class Proxy>
class Running {
public:
    template <class... Arguments>
    explicit Running(Arguments&&... arguments) : proxy_(io_, std::forward<Arguments>(arguments)...)
    {
        proxy_.start(); // here, so that a test may connect as soon as it has the object
        thread_ = std::thread([this] {
            while (!proxy_.stopped())
                proxy_.run_some();
            io_.poll();
            ended_ = true;
        });
    }

    ~Running()
    {
        asio::post(io_, [this] { proxy_.stop_now(); });
        thread_.join();
        check_turns(proxy_.take_longest_turns());
    }

    // What `ask` answers when asked on the proxy's own thread.
    template <class Ask>
    auto on_its_thread(Ask ask)
    {
        std::promise<decltype(ask(std::declval<Proxy&>()))> answer;
        asio::post(io_, [&] { answer.set_value(ask(proxy_)); });
        return answer.get_future().get();
    }

    void stop_gently()
    {
        asio::post(io_, [this] { proxy_.stop_gently(); });
    }

    bool ended() const { return ended_; }

    // For what never changes after construction.
    const Proxy& proxy() const { return proxy_; }

private:
    asio::io_context io_{1};
    Proxy proxy_;
    std::atomic<bool> ended_ = false;
    std::thread thread_;
};

using RunningRemote = Running<RemoteProxy>;
using RunningOrigin = Running<OriginProxy>;

// Reloads with these options. What is wrong with them; empty: nothing.
std::string reload(RunningRemote& remote, const RemoteOptions& options);

// An origin proxy played by hand: its control connection.
struct HandPlayedOrigin {
    Stream control;
    OriginId id;

    // Connects and sends the log-in, in which `change` may alter a thing.
    explicit HandPlayedOrigin(const tcp::endpoint& remote, OriginId origin = {random_bytes()},
                              const std::function<void(LogIn&)>& change = {});
};

// A log-in that was answered with a welcome.
HandPlayedOrigin logged_in(const RunningRemote& remote, OriginId origin = {random_bytes()});

// The magic and a dial_back for `ticket`, sent on a fresh connection.
Stream dial_back(const tcp::endpoint& remote, const Ticket& ticket);

std::string magic_bytes();

// Of a visitor of the default service, with a ticket of its own.
Announce announcement();

} // namespace tunnel::test
