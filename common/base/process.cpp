#include "common/base/process.hpp"

#include <algorithm>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <sstream>
#include <utility>

#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/base/code.hpp"
#include "common/base/inherited.hpp"
#include "common/base/log.hpp"
#include "common/base/lookups.hpp"
#include "common/base/output.hpp"
#include "common/base/wrong_configuration.hpp"

namespace tunnel {

namespace {

// The time slice of our threads while others wait: Linux 6.12 and later respect it,
// sched_setattr(2), older ones ignore it. With the usual three milliseconds a small piece of data
// waits that long whenever there are more busy threads than cores. With the shortest slice, 100 us,
// bulk streams hold up the others more often.
constexpr auto time_slice = std::chrono::microseconds(300);

// From sched_setattr(2); the kernel's header clashes with <sched.h>.
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

// How many ready lines may wait for stdout.
constexpr std::size_t most_ready_bytes = 64 * 1024;

// How long the last lines may take at the end.
constexpr auto patience_for_outputs = std::chrono::seconds(1);

Output* ready_lines = nullptr; // none: they are written at once

// An Output lives as long as the process.
void queue_outputs()
{
    log::queue_lines();
    ready_lines = new Output(STDOUT_FILENO, most_ready_bytes, [](std::uint64_t) { return ""; });
}

void finish_outputs()
{
    const auto limit = Clock::now() + patience_for_outputs;
    ready_lines->finish(limit);
    log::finish(limit);
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

void check_stdout_at_exit()
{
    std::atexit([] {
        if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0)
            return;
        std::fputs(
            log::format() == log::Format::json
                ? "{\"level\":\"error\",\"message\":\"cannot write to the standard output\"}\n"
                : "cannot write to the standard output\n",
            stderr);
        std::_Exit(1);
    });
}

std::size_t prepare_process()
{
    reset_inherited_signals();
    ask_for_short_time_slices();
    rlimit limit{};
    ::getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &limit);
    ::getrlimit(RLIMIT_NOFILE, &limit); // what it really is now
    return limit.rlim_cur - std::min<std::size_t>(limit.rlim_cur, inherited_descriptors());
}

void print_ready(const ReadyLine& line)
{
    std::string text = render(line, log::format(), std::chrono::system_clock::now());
    text += '\n';
    if (ready_lines != nullptr) {
        ready_lines->put(text);
    } else {
        std::fwrite(text.data(), 1, text.size(), stdout);
        std::fflush(stdout);
    }
}

void start_writing()
{
    log::start_writing();
    ready_lines->start();
}

void watch_signals(asio::signal_set& signals, SignalActions actions)
{
    signals.add(SIGTERM);
    signals.add(SIGINT);
    signals.add(SIGHUP);
    signals.add(SIGUSR1);
    wait_for_signal(signals, std::make_shared<SignalActions>(std::move(actions)));
}

bool reload_or_complain(std::string& problems, const std::function<void()>& reload)
{
    try {
        reload();
        return true;
    } catch (const ShuttingDown& error) {
        problems = error.what();
        log::warn("cannot reload, so nothing has changed",
                  {{"code", name_of(Code::shutting_down)}, {"reason", problems}});
        return false;
    } catch (const std::runtime_error& error) {
        problems = error.what();
    }
    std::istringstream lines(problems);
    for (std::string line; std::getline(lines, line);)
        log::error("cannot reload, so nothing has changed",
                   {{"code", name_of(Code::bad_configuration)}, {"reason", line}},
                   log::Limit::none); // all of them: the user asked for the reload
    return false;
}

int run_program(const std::function<int(asio::io_context&)>& program)
{
    queue_outputs();
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
    finish_outputs();
    // Destroying the io_context would wait for the name server's answer to a look-up that nobody
    // waits for any more.
    if (lookups_under_way() > 0)
        std::_Exit(code);
    return code;
}

} // namespace tunnel
