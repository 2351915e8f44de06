#include "common/process.hpp"

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <utility>

#include <fmt/format.h>
#include <sched.h>
#include <sys/resource.h>

#include "common/log.hpp"
#include "common/net/address.hpp"

namespace tunnel {

namespace {

void wait_for_signal(asio::signal_set& signals, std::shared_ptr<SignalActions> actions)
{
    signals.async_wait([&signals, actions = std::move(actions)](std::error_code error, int signal) {
        if (error)
            return;
        if (signal == SIGHUP)
            actions->hang_up();
        else
            std::exchange(actions->stop_gently, actions->stop_now)();
        wait_for_signal(signals, actions);
    });
}

} // namespace

std::size_t prepare_process()
{
    std::signal(SIGPIPE, SIG_IGN);
    rlimit limit{};
    ::getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &limit);
    ::getrlimit(RLIMIT_NOFILE, &limit); // what it really is now
    return limit.rlim_cur;
}

void print_ready(const std::string& line)
{
    fmt::print("{}\n", line);
    std::fflush(stdout);
}

void watch_signals(asio::signal_set& signals, SignalActions actions)
{
    signals.add(SIGTERM);
    signals.add(SIGINT);
    signals.add(SIGHUP);
    wait_for_signal(signals, std::make_shared<SignalActions>(std::move(actions)));
}

int run_program(const std::function<int(asio::io_context&)>& program)
{
    int code = 1;
    asio::io_context io(1);
    try {
        code = program(io);
    } catch (const std::exception& error) {
        log::error(error.what());
    }
    // Destroying the io_context would wait for the name server's answer to a look-up that nobody
    // waits for any more.
    if (lookups_under_way() > 0)
        std::_Exit(code);
    return code;
}

void run_some(asio::io_context& io, std::chrono::microseconds spin)
{
    if (io.poll() > 0)
        return;
    for (const auto began = Clock::now(); Clock::now() - began < spin;) {
        ::sched_yield();
        if (io.poll() > 0)
            return;
    }
    io.run_one();
}

} // namespace tunnel
