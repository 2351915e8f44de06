#include "common/log.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdlib>
#include <iterator>

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

namespace tunnel::log {

namespace {

struct Style {
    std::string_view name;
    std::string_view colour; // ANSI escape sequence
};

constexpr std::array<Style, 4> styles{
    {{"error", "\x1b[31m"}, {"warn", "\x1b[33m"}, {"info", "\x1b[32m"}, {"debug", "\x1b[36m"}}};

// The two globals: the log has no owner that every function could be handed. The level may change
// while other threads write.
struct Settings {
    Format format = Format::text;
    bool colour = false;
} settings;

std::atomic<Level> most_detailed_level = Level::info;

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

void append_escaped(std::string& line, std::string_view text)
{
    for (const unsigned char byte : text) {
        if (is_plain(byte) || byte == ' ' || byte == '=')
            line += static_cast<char>(byte);
        else if (byte == '"' || byte == '\\')
            fmt::format_to(std::back_inserter(line), "\\{}", static_cast<char>(byte));
        else
            fmt::format_to(std::back_inserter(line), "\\x{:02x}", byte);
    }
}

void append_value(std::string& line, const Field& field)
{
    if (const auto* number = std::get_if<std::uint64_t>(&field.value)) {
        fmt::format_to(std::back_inserter(line), "{}", *number);
    } else if (const auto* seconds = std::get_if<double>(&field.value)) {
        fmt::format_to(std::back_inserter(line), "{:.3f}s", *seconds);
    } else {
        const auto& text = std::get<std::string>(field.value);
        const bool quoted = text.empty() || !std::ranges::all_of(text, is_plain);
        if (quoted)
            line += '"';
        append_escaped(line, text);
        if (quoted)
            line += '"';
    }
}

std::string render_text(std::string_view time, const Style& style, std::string_view message,
                        Fields fields, bool colour)
{
    std::string line = colour ? fmt::format("{} {}{:<5}\x1b[0m ", time, style.colour, style.name)
                              : fmt::format("{} {:<5} ", time, style.name);
    append_escaped(line, message);
    for (const Field& field : fields) {
        fmt::format_to(std::back_inserter(line), " {}=", field.key);
        append_value(line, field);
    }
    return line;
}

std::string render_json(std::string_view time, const Style& style, std::string_view message,
                        Fields fields)
{
    nlohmann::ordered_json object;
    object["time"] = time;
    object["level"] = style.name;
    object["message"] = message;
    for (const Field& field : fields) {
        std::visit([&](const auto& value) { object[std::string(field.key)] = value; }, field.value);
    }
    // replace: dump() would throw on text that is not UTF-8, and text may come from the network.
    return object.dump(-1, ' ', true, nlohmann::ordered_json::error_handler_t::replace);
}

} // namespace

void configure(Level most_detailed, Format format)
{
    settings = {format, format == Format::text && wants_colour()};
    change_level(most_detailed);
}

void change_level(Level most_detailed)
{
    most_detailed_level.store(most_detailed, std::memory_order_relaxed);
}

void write(Level level, std::string_view message, Fields fields)
{
    if (level > most_detailed_level.load(std::memory_order_relaxed))
        return;
    std::string line = render(settings.format, std::chrono::system_clock::now(), level, message,
                              fields, settings.colour);
    line += '\n';
    // One write for the whole line, so that lines of several threads do not mix.
    [[maybe_unused]] const auto written = ::write(STDERR_FILENO, line.data(), line.size());
}

std::string escape(std::string_view text)
{
    std::string escaped;
    append_escaped(escaped, text);
    return escaped;
}

std::string render(Format format, std::chrono::system_clock::time_point time, Level level,
                   std::string_view message, Fields fields, bool colour)
{
    const auto since_epoch =
        std::chrono::duration_cast<std::chrono::milliseconds>(time.time_since_epoch());
    const std::string stamp = fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:03}Z",
                                          fmt::gmtime(std::chrono::system_clock::to_time_t(time)),
                                          since_epoch.count() % 1000);
    const Style& style = styles.at(static_cast<std::size_t>(level));
    return format == Format::json ? render_json(stamp, style, message, fields)
                                  : render_text(stamp, style, message, fields, colour);
}

} // namespace tunnel::log
