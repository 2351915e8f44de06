// What a server process does once, at its start and at its end.
#pragma once

#include <cstddef>
#include <functional>
#include <stdexcept>
#include <string>

#include "common/base/asio.hpp"
#include "common/base/ready_line.hpp"

namespace tunnel {

// Resets harmful inheritance (inherited.hpp), asks the scheduler for short time slices, and raises
// the limit of open descriptors to the maximum. Returns how many descriptors this process may open.
// Call it before any thread is started.
std::size_t prepare_process();

// From now on a command whose output cannot be written ends with status 1, whatever it returns.
void check_stdout_at_exit();

// Prints the ready line on stdout, in the format of the log. It never fails and never waits: if
// stdout does not take the line, it is lost.
void print_ready(const ReadyLine& line);

// Starts to write the log and the ready lines, which run_program() has queued. Call it inside the
// sandbox: its restrictions do not apply to threads that exist already.
void start_writing();

// What a program does on signals.
struct SignalActions {
    std::function<void()> stop_gently; // the first SIGTERM or SIGINT
    std::function<void()> stop_now;    // the second
    std::function<void()> hang_up;     // SIGHUP
    std::function<void()> tell;        // SIGUSR1
};

// Calls the actions until `signals`, which must be empty, is destroyed or cancelled.
void watch_signals(asio::signal_set& signals, SignalActions actions);

// Thrown by a reload while the program stops.
class ShuttingDown : public std::runtime_error {
    using std::runtime_error::runtime_error;
};

// Calls `reload`. If it throws, nothing has changed: logs each line of the error, puts the error
// into `problems`, and returns false.
bool reload_or_complain(std::string& problems, const std::function<void()>& reload);

// The words of the command line, as main() got them.
struct Arguments {
    int count;
    const char* const* words;
};

// Runs `program` with an io_context that outlives it, and returns its exit code. A
// WrongConfiguration is logged line by line and gives 2; any other std::exception is one line and
// gives 1. Log lines and ready lines are queued meanwhile, and have one second at the end to be
// written.
int run_program(const std::function<int(asio::io_context&)>& program);

} // namespace tunnel
