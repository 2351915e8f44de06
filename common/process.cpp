#include "common/process.hpp"

#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <sstream>
#include <utility>

#include <fmt/format.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/log.hpp"
#include "common/net/address.hpp"
#include "common/option_values.hpp"

namespace tunnel {

namespace {

// How long the scheduler lets a thread of ours run while others wait: Linux 6.12 and later heed it,
// sched_setattr(2), others ignore it. With their usual three milliseconds a small piece waits that
// long whenever there are more busy threads than cores. The shortest that is granted, 100 us, lets
// bulk streams hold up the others more often.
constexpr auto time_slice = std::chrono::microseconds(300);

// As sched_setattr(2) gives it; the header that has it clashes with <sched.h>.
struct SchedulingAttributes {
    std::uint32_t size;
    std::uint32_t policy;
    std::uint64_t flags;
    std::int32_t nice;
    std::uint32_t priority;
    std::uint64_t runtime; // ns
    std::uint64_t deadline;
    std::uint64_t period;
};

// For this thread and all that it starts.
void ask_for_short_time_slices()
{
    SchedulingAttributes attributes{};
    if (::syscall(SYS_sched_getattr, 0, &attributes, sizeof attributes, 0) != 0 ||
        attributes.policy != SCHED_OTHER) // somebody chose another on purpose
        return;
    attributes.runtime = std::chrono::nanoseconds(time_slice).count();
    ::syscall(SYS_sched_setattr, 0, &attributes, 0);
}

void wait_for_signal(asio::signal_set& signals, std::shared_ptr<SignalActions> actions)
{
    signals.async_wait([&signals, actions = std::move(actions)](std::error_code error, int signal) {
        if (error)
            return;
        if (signal == SIGHUP)
            actions->hang_up();
        else if (signal == SIGUSR1)
            actions->tell();
        else
            std::exchange(actions->stop_gently, actions->stop_now)();
        wait_for_signal(signals, actions);
    });
}

} // namespace

std::size_t prepare_process()
{
    std::signal(SIGPIPE, SIG_IGN);
    ask_for_short_time_slices();
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
    signals.add(SIGUSR1);
    wait_for_signal(signals, std::make_shared<SignalActions>(std::move(actions)));
}

void complain_of_reload(const std::runtime_error& error)
{
    std::istringstream lines(error.what());
    for (std::string line; std::getline(lines, line);)
        log::error("cannot reload, so nothing has changed", {{"reason", line}});
}

bool reload_or_complain(std::string& problems, const std::function<void()>& reload)
{
    try {
        reload();
        return true;
    } catch (const std::runtime_error& error) {
        complain_of_reload(error);
        problems = error.what();
        return false;
    }
}

int run_program(const std::function<int(asio::io_context&)>& program)
{
    int code = 1;
    asio::io_context io(1);
    try {
        code = program(io);
    } catch (const WrongConfiguration& wrong) {
        std::istringstream lines(wrong.what());
        for (std::string line; std::getline(lines, line);)
            log::error(line);
        code = 2;
    } catch (const std::exception& error) {
        log::error(error.what());
    }
    // Destroying the io_context would wait for the name server's answer to a look-up that nobody
    // waits for any more.
    if (lookups_under_way() > 0)
        std::_Exit(code);
    return code;
}

} // namespace tunnel
