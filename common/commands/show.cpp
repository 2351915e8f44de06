#include "common/commands/show.hpp"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <string_view>
#include <thread>

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "common/base/json.hpp"
#include "common/commands/table.hpp"
#include "common/options/error_line.hpp"
#include "common/options/help.hpp"
#include "common/options/option_values.hpp"
#include "common/options/text_values.hpp"

namespace tunnel {

namespace {

constexpr auto pause = std::chrono::seconds(1);

// The terminal's alternate screen, without line wrap and cursor: its former contents come back at
// the end.
constexpr std::string_view enter = "\x1b[?1049h\x1b[?7l\x1b[?25l";
constexpr std::string_view leave = "\x1b[?25h\x1b[?7h\x1b[?1049l";

void write_out(std::string_view text)
{
    [[maybe_unused]] const auto written = ::write(STDOUT_FILENO, text.data(), text.size());
}

// Called in signal handlers, so only what is safe there.
void end(int)
{
    ::_exit(EXIT_SUCCESS);
}

void leave_and_end(int)
{
    write_out(leave);
    ::_exit(EXIT_SUCCESS);
}

// Ctrl-Z: the shell gets its screen as it was, and "fg" brings ours back.
void leave_and_stop(int)
{
    const int error = errno;
    write_out(leave);
    ::kill(::getpid(), SIGSTOP);
    write_out(enter);
    errno = error;
}

bool is_terminal()
{
    const char* const kind = std::getenv("TERM");
    return ::isatty(STDOUT_FILENO) == 1 && kind != nullptr && std::string_view(kind) != "dumb";
}

// As many lines as there is room for; all of them if nobody knows.
std::string first_lines(const std::string& text)
{
    winsize size{};
    if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_row < 2)
        return text;
    const auto lines = static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
    if (lines < size.ws_row) // the cursor is in the line below
        return text;
    const std::size_t shown = size.ws_row - 2U;
    std::size_t end_of_shown = 0;
    for (std::size_t i = 0; i < shown; ++i)
        end_of_shown = text.find('\n', end_of_shown) + 1;
    return text.substr(0, end_of_shown) + fmt::format("... and {} more lines\n", lines - shown);
}

// Over what was there before, without a moment in which the screen is empty.
std::string in_place(const std::string& text)
{
    std::string screen = "\x1b[H"; // to the first line
    for (const char c : first_lines(text)) {
        if (c == '\n')
            screen += "\x1b[K\r"; // clears to the end of the line
        screen += c;
    }
    return screen + "\x1b[J"; // and what is below
}

bool print(std::FILE* where, const std::string& text)
{
    return std::fputs(text.c_str(), where) >= 0 && std::fflush(where) == 0;
}

// What was found out, or why not.
struct Found {
    std::string text;
    int exit_code = 0;
    bool is_failure = false;
};

Found failure(const Command& command, const std::string& program, std::string_view why, int code)
{
    if (command.json)
        return {error_line(why) + '\n', code, true};
    return {fmt::format("{} {}: {}\n", program, command.word, why), code, true};
}

Found look(const Command& command, const std::string& program,
           const std::function<CommandResult()>& find_out)
{
    constexpr int usage_error = 2;
    try {
        const CommandResult finding = find_out();
        return {finding.text, finding.exit_code};
    } catch (const WrongConfiguration& wrong) {
        return failure(command, program, wrong.what(), usage_error);
    } catch (const std::runtime_error& error) {
        return failure(command, program, error.what(), 1);
    } catch (const Json::exception&) {
        return failure(command, program,
                       "what is answered at --management-addr is not understood here: is the "
                       "program of another version?",
                       1);
    }
}

} // namespace

std::size_t columns_of_output()
{
    constexpr std::size_t unlimited = Table::any_width;
    constexpr std::size_t fewest = 40;
    winsize size{};
    if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
        return std::max<std::size_t>(size.ws_col, fewest);
    const char* const columns = std::getenv("COLUMNS");
    const auto number = parse_number(columns == nullptr ? "" : columns);
    return number && *number > 0 ? std::max<std::size_t>(*number, fewest) : unlimited;
}

std::string fits(const std::string& sentence)
{
    constexpr std::size_t indent = 2;
    return wrapped(sentence, columns_of_output(), indent, 0) + '\n';
}

int show(const Command& command, const std::string& program,
         const std::function<CommandResult()>& find_out)
{
    if (!command.watch) {
        const Found found = look(command, program, find_out);
        const bool printed = print(found.is_failure ? stderr : stdout, found.text);
        return printed ? found.exit_code : 1;
    }
    // JSON is for programs, which would not know what to do with a screen.
    const bool places = is_terminal() && !command.json;
    for (const int signal : {SIGINT, SIGTERM})
        std::signal(signal, places ? leave_and_end : end);
    if (places) {
        std::signal(SIGTSTP, leave_and_stop);
        write_out(enter);
    }
    for (bool is_first = true;; is_first = false) {
        const Found found = look(command, program, find_out);
        const std::string between = is_first || command.json ? "" : "\n";
        const bool printed = places             ? print(stdout, in_place(found.text))
                             : found.is_failure ? print(stderr, found.text)
                                                : print(stdout, between + found.text);
        if (!printed) {
            write_out(places ? leave : "");
            return 1;
        }
        std::this_thread::sleep_for(pause);
    }
}

} // namespace tunnel
