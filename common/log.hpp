// The log: one line per event on stderr, UTC time, level, message, key=value fields; or one JSON
// object per line. Text that came from the network is escaped, so it cannot forge a line.
#pragma once

#include <chrono>
#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <variant>

namespace tunnel::log {

enum class Level : std::uint8_t { error, warn, info, debug };
enum class Format : std::uint8_t { text, json };

// One key=value. Durations become seconds.
struct Field {
    Field(std::string_view name, std::string_view text) : key(name), value(std::string(text)) {}

    Field(std::string_view name, const char* text) : Field(name, std::string_view(text)) {}

    Field(std::string_view name, const std::string& text) : Field(name, std::string_view(text)) {}

    template <std::integral Number>
    Field(std::string_view name, Number number)
        : key(name), value(static_cast<std::uint64_t>(number))
    {
    }

    template <class Rep, class Period>
    Field(std::string_view name, std::chrono::duration<Rep, Period> duration)
        : key(name), value(std::chrono::duration<double>(duration).count())
    {
    }

    std::string_view key;
    std::variant<std::string, std::uint64_t, double> value;
};

using Fields = std::initializer_list<Field>;

// Sets what is written and how, for the whole process; called once, before any thread is started.
void configure(Level most_detailed, Format format);

// Changes what is written. Safe at any time.
void change_level(Level most_detailed);

// Writes one line if `level` is wanted. Safe from any thread. A line that stderr does not take
// (closed, full disk) is lost: logging never stops the relay.
void write(Level level, std::string_view message, Fields fields = {});

inline void error(std::string_view message, Fields fields = {})
{
    write(Level::error, message, fields);
}

inline void warn(std::string_view message, Fields fields = {})
{
    write(Level::warn, message, fields);
}

inline void info(std::string_view message, Fields fields = {})
{
    write(Level::info, message, fields);
}

inline void debug(std::string_view message, Fields fields = {})
{
    write(Level::debug, message, fields);
}

// `text` with everything escaped that is not printable ASCII, for text from the network that is
// printed elsewhere than in the log.
std::string escape(std::string_view text);

// The line as it would be written, without its end of line; what the tests look at.
std::string render(Format format, std::chrono::system_clock::time_point time, Level level,
                   std::string_view message, Fields fields, bool colour);

} // namespace tunnel::log
