// What a server process does once, at start and at the end.
#pragma once

#include <cstddef>
#include <functional>
#include <stdexcept>
#include <string>

#include "common/base/asio.hpp"
#include "common/base/ready_line.hpp"

namespace tunnel {

// Takes back what would harm of what was inherited (inherited.hpp), asks the scheduler for short
// time slices, and raises the limit of open descriptors to what the system allows. Answers how many
// this process may open of its own. Before any thread is started.
std::size_t prepare_process();

// From now on a command whose output stdout did not take ends with status 1, whatever it returns.
void check_stdout_at_exit();

// One line on stdout, for whoever waits for the program to be ready, in the format of the log. It
// never fails and never waits: a stdout that does not take it loses it.
void print_ready(const ReadyLine& line);

// Starts to write the log and the ready lines, which run_program() makes wait for it: inside the
// sandbox, since the restrictions do not hold for threads of before.
void start_writing();

// What the signals mean to a program.
struct SignalActions {
    std::function<void()> stop_gently; // the first SIGTERM or SIGINT
    std::function<void()> stop_now;    // the second
    std::function<void()> hang_up;     // SIGHUP
    std::function<void()> tell;        // SIGUSR1
};

// Calls the actions from `signals`, which must be empty, until it is destroyed or cancelled.
void watch_signals(asio::signal_set& signals, SignalActions actions);

// Calls `reload`. If it throws, the program stays as it was: logs each line of what is wrong, puts
// all of them into `problems`, and answers false.
bool reload_or_complain(std::string& problems, const std::function<void()>& reload);

// The words of the command line, as main() got them.
struct Arguments {
    int count;
    const char* const* words;
};

// Runs `program` with an io_context that outlives it; what it returns is the exit code. A
// WrongConfiguration becomes an error line for each of its lines and 2, every other std::exception
// one line and 1. Log lines and ready lines are queued meanwhile, and get a second at the end to be
// written.
int run_program(const std::function<int(asio::io_context&)>& program);

} // namespace tunnel
