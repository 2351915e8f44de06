#include "common/base/log.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdlib>
#include <ctime>
#include <exception>
#include <iterator>
#include <mutex>
#include <optional>

#include <fmt/chrono.h>
#include <fmt/compile.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

#include "common/base/log_limits.hpp"
#include "common/base/output.hpp"

namespace tunnel::log {

namespace {

struct Style {
    std::string_view name;
    std::string_view colour; // ANSI escape sequence
};

constexpr std::array<Style, 4> styles{
    {{"error", "\x1b[31m"}, {"warn", "\x1b[33m"}, {"info", "\x1b[32m"}, {"debug", "\x1b[36m"}}};

// How much may wait for stderr to be read; with a burst of 5,000 visitors a second, more than a
// second's lines.
constexpr std::size_t most_queued = 1024 * 1024;

// At the end of the program, also after an exception that nobody catches.
constexpr auto patience_at_the_end = std::chrono::seconds(1);

struct Settings {
    std::atomic<Level> most_detailed = Level::info;
    Format format = Format::text;
    bool colour = false;
    bool limited = true;
} settings; // global, as the log has no owner that every function could be handed

std::mutex limits_mutex;
Limits limits;
std::atomic<bool> wakes_in_time = false; // the writer knows that there is something to tell of

Output* queue = nullptr;     // none: lines are written at once
LogFile* its_file = nullptr; // none: stderr; it lives as long as the queue, which is for ever
std::terminate_handler handler_before = nullptr;

// no-color.org: any value but the empty one switches colour off.
bool wants_colour()
{
    const char* const no_colour = std::getenv("NO_COLOR");
    return (no_colour == nullptr || *no_colour == '\0') && isatty(STDERR_FILENO) == 1;
}

// Bytes of UTF-8 beyond ASCII are escaped too: a terminal may take some for control characters.
bool is_plain(unsigned char byte)
{
    return byte > ' ' && byte < 0x7f && byte != '"' && byte != '=' && byte != '\\';
}

// A line while it is made. Each visitor has one, so it needs no memory of its own.
using Line = fmt::basic_memory_buffer<char, 512>;

void append(Line& line, std::string_view text)
{
    line.append(text.data(), text.data() + text.size());
}

template <class Number>
void append_number(Line& line, Number number)
{
    const fmt::format_int digits(number);
    line.append(digits.data(), digits.data() + digits.size());
}

void append_escaped(Line& line, std::string_view text)
{
    for (const unsigned char byte : text) {
        if (is_plain(byte) || byte == ' ' || byte == '=')
            line.push_back(static_cast<char>(byte));
        else if (byte == '"' || byte == '\\')
            fmt::format_to(std::back_inserter(line), "\\{}", static_cast<char>(byte));
        else
            fmt::format_to(std::back_inserter(line), "\\x{:02x}", byte);
    }
}

void append_value(Line& line, const Field& field)
{
    if (const auto* number = std::get_if<std::uint64_t>(&field.value)) {
        append_number(line, *number);
    } else if (const auto* bytes = std::get_if<Bytes>(&field.value)) {
        append_number(line, bytes->count);
    } else if (const auto* seconds = std::get_if<Seconds>(&field.value)) {
        fmt::format_to(std::back_inserter(line), FMT_COMPILE("{:.3f}s"), seconds->count);
    } else {
        const auto text = std::get<std::string_view>(field.value);
        const bool quoted = text.empty() || !std::ranges::all_of(text, is_plain);
        if (quoted)
            line.push_back('"');
        append_escaped(line, text);
        if (quoted)
            line.push_back('"');
    }
}

void append_text(Line& line, std::string_view time, const Style& style, std::string_view message,
                 Fields fields, std::uint64_t left_out, bool colour)
{
    if (colour)
        fmt::format_to(std::back_inserter(line), "{} {}{:<5}\x1b[0m ", time, style.colour,
                       style.name);
    else
        fmt::format_to(std::back_inserter(line), FMT_COMPILE("{} {:<5} "), time, style.name);
    append_escaped(line, message);
    for (const Field& field : fields) {
        if (field.key.empty())
            continue;
        line.push_back(' ');
        append(line, field.key);
        line.push_back('=');
        append_value(line, field);
    }
    if (left_out > 0)
        fmt::format_to(std::back_inserter(line), " left-out={}", left_out);
}

// With the unit, since a number of JSON has none.
std::string json_key(const Field& field)
{
    std::string key(field.key);
    std::ranges::replace(key, '-', '_');
    if (std::holds_alternative<Seconds>(field.value))
        key += "_seconds";
    else if (std::holds_alternative<Bytes>(field.value))
        key += "_bytes";
    return key;
}

std::string render_json(std::string_view time, const Style& style, std::string_view message,
                        Fields fields, std::uint64_t left_out)
{
    nlohmann::ordered_json object;
    object["time"] = time;
    object["level"] = style.name;
    object["message"] = message;
    for (const Field& field : fields) {
        if (field.key.empty())
            continue;
        nlohmann::ordered_json& place = object[json_key(field)];
        if (const auto* const seconds = std::get_if<Seconds>(&field.value))
            place = seconds->count;
        else if (const auto* const bytes = std::get_if<Bytes>(&field.value))
            place = bytes->count;
        else if (const auto* const number = std::get_if<std::uint64_t>(&field.value))
            place = *number;
        else
            place = std::get<std::string_view>(field.value);
    }
    if (left_out > 0)
        object["left_out"] = left_out;
    // replace: dump() would throw on text that is not UTF-8, and text may come from the network.
    return object.dump(-1, ' ', true, nlohmann::ordered_json::error_handler_t::replace);
}

// A day's date and a second's time take longer to make than the rest of a line, and many lines are
// of one second.
std::string_view up_to_seconds(std::time_t time)
{
    thread_local std::time_t made_for = -1;
    thread_local std::string made;
    if (made_for != time) {
        made = fmt::format("{:%Y-%m-%dT%H:%M:%S}", fmt::gmtime(time));
        made_for = time;
    }
    return made;
}

void append_line(Line& line, Format format, std::chrono::system_clock::time_point time, Level level,
                 std::string_view message, Fields fields, std::uint64_t left_out, bool colour)
{
    const auto since_epoch =
        std::chrono::duration_cast<std::chrono::milliseconds>(time.time_since_epoch());
    fmt::basic_memory_buffer<char, 32> stamp;
    fmt::format_to(std::back_inserter(stamp), FMT_COMPILE("{}.{:03}Z"),
                   up_to_seconds(std::chrono::system_clock::to_time_t(time)),
                   since_epoch.count() % 1000);
    const std::string_view shown(stamp.data(), stamp.size());
    const Style& style = styles.at(static_cast<std::size_t>(level));
    if (format == Format::json)
        append(line, render_json(shown, style, message, fields, left_out));
    else
        append_text(line, shown, style, message, fields, left_out, colour);
}

// The line as of now, with its end of line.
void append_line_now(Line& line, Level level, std::string_view message, Fields fields,
                     std::uint64_t left_out)
{
    append_line(line, settings.format, std::chrono::system_clock::now(), level, message, fields,
                left_out, settings.colour);
    line.push_back('\n');
}

std::string line_now(Level level, std::string_view message, Fields fields, std::uint64_t left_out)
{
    Line line;
    append_line_now(line, level, message, fields, left_out);
    return fmt::to_string(line);
}

void write_line(Level level, std::string_view message, Fields fields, std::uint64_t left_out)
{
    Line line;
    append_line_now(line, level, message, fields, left_out);
    if (queue != nullptr) {
        queue->put({line.data(), line.size()});
        return;
    }
    // One write for the whole line, so that lines of several threads do not mix.
    const int where = its_file != nullptr ? its_file->descriptor() : STDERR_FILENO;
    [[maybe_unused]] const auto written = ::write(where, line.data(), line.size());
}

void tell_on_stderr(const char* what, const std::string& path, const std::error_code& error)
{
    Line line;
    append_line_now(line, Level::error, what, {{"file", path}, {"reason", error.message()}}, 0);
    [[maybe_unused]] const auto written = ::write(STDERR_FILENO, line.data(), line.size());
}

// nullopt: the line may not be written.
std::optional<std::uint64_t> take(Level level, std::string_view message, Fields fields,
                                  std::string_view peer)
{
    const std::lock_guard lock(limits_mutex);
    return limits.take(level, message, fields, peer, Limits::Clock::now());
}

bool may_warn(std::string_view message, Fields fields, std::string_view about)
{
    const std::lock_guard lock(limits_mutex);
    return limits.allows(message, fields, about, Limits::Clock::now());
}

void write_if_allowed(Level level, std::string_view message, Fields fields, std::string_view peer)
{
    if (const auto left_out = take(level, message, fields, peer))
        write_line(level, message, fields, *left_out);
    else if (queue != nullptr && !wakes_in_time.exchange(true))
        queue->wake(); // to tell of it in time
}

// Answers when there may be more.
std::optional<Limits::Clock::time_point>
append_left_out(std::string& lines, std::optional<Limits::Clock::time_point> now)
{
    // At the end of the program the thread that holds it may never release it.
    std::unique_lock lock(limits_mutex, std::defer_lock);
    if (now)
        lock.lock();
    else if (!lock.try_lock())
        return std::nullopt;
    for (const Limits::LeftOut& each : limits.collect(now)) {
        if (each.level > settings.most_detailed)
            continue;
        if (each.message.empty())
            lines += line_now(each.level, "lines of many peers were left out", {}, each.lines);
        else
            lines += line_now(each.level, "lines were left out",
                              {{"of", each.message}, {"peer", each.peer}}, each.lines);
    }
    const auto due = limits.due();
    if (!due)
        wakes_in_time = false;
    return due;
}

} // namespace

void configure(Level most_detailed, Format format)
{
    settings.most_detailed = most_detailed;
    settings.format = format;
    settings.colour = format == Format::text && wants_colour();
    const std::lock_guard lock(limits_mutex);
    limits.clear();
}

void write_to(const std::string& path)
{
    its_file = new LogFile(path, tell_on_stderr);
    settings.colour = false;
}

void reopen()
{
    if (queue != nullptr)
        queue->reopen();
}

const LogFile* file()
{
    return its_file;
}

std::filesystem::path place_of_file()
{
    return its_file != nullptr ? its_file->place() : std::filesystem::path();
}

void set_level(Level most_detailed)
{
    settings.most_detailed = most_detailed;
}

void keep_every_line()
{
    settings.limited = false;
}

Format format()
{
    return settings.format;
}

void write(Level level, std::string_view message, Fields fields, Limit limit)
{
    if (level > settings.most_detailed)
        return;
    if (limit == Limit::none || !settings.limited)
        write_line(level, message, fields, 0);
    else
        write_if_allowed(level, message, fields, peer_of(fields));
}

void warn_or_info(std::string_view message, Fields fields, std::string_view about)
{
    if (settings.most_detailed == Level::warn)
        write_if_allowed(Level::warn, message, fields, about);
    else if (settings.most_detailed >= Level::info)
        write_line(may_warn(message, fields, about) ? Level::warn : Level::info, message, fields,
                   0);
}

void queue_lines()
{
    const auto note = [](std::uint64_t lines) {
        return line_now(Level::warn,
                        its_file != nullptr ? "lines were left out, as the file did not take them"
                                            : "lines were left out, as stderr did not take them",
                        {}, lines);
    };
    // It lives on, see there.
    queue = its_file != nullptr ? new Output(*its_file, most_queued, note, append_left_out)
                                : new Output(STDERR_FILENO, most_queued, note, append_left_out);
    handler_before = std::set_terminate([] {
        finish(std::chrono::steady_clock::now() + patience_at_the_end);
        handler_before();
    });
}

void start_writing()
{
    if (queue != nullptr)
        queue->start();
}

void finish(std::chrono::steady_clock::time_point limit)
{
    if (queue == nullptr)
        return;
    std::string lines;
    append_left_out(lines, std::nullopt);
    if (!lines.empty())
        queue->put(lines);
    queue->finish(limit);
}

std::string escape(std::string_view text)
{
    Line escaped;
    append_escaped(escaped, text);
    return fmt::to_string(escaped);
}

std::string render(Format format, std::chrono::system_clock::time_point time, Level level,
                   std::string_view message, Fields fields, bool colour)
{
    Line line;
    append_line(line, format, time, level, message, fields, 0, colour);
    return fmt::to_string(line);
}

} // namespace tunnel::log
