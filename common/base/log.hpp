// The log: one line per event on stderr, or in a file; UTC time, level, message, key=value fields;
// or one JSON object per line. Text that came from the network is escaped, so it cannot forge a
// line.
#pragma once

#include <chrono>
#include <concepts>
#include <cstdint>
#include <filesystem>
#include <initializer_list>
#include <string>
#include <string_view>
#include <variant>

#include "common/base/log_file.hpp"

namespace tunnel::log {

enum class Level : std::uint8_t { error, warn, info, debug };
enum class Format : std::uint8_t { text, json };

// A number of bytes, for a Field.
struct Bytes {
    std::uint64_t count;
};

struct Seconds {
    double count;
};

// One key=value. In JSON the key has underscores and the unit, so that {"retry-in", 25ms} is
// retry-in=0.025s in text and "retry_in_seconds":0.025 in JSON; {"up", Bytes{82}} is up=82 and
// "up_bytes":82. Durations become seconds. A field with an empty key is left out. It only points
// to its text, which must live until the line is written.
struct Field {
    // Longer texts are cut: many come from peers.
    static constexpr std::size_t longest_text = 512;

    Field(std::string_view name, std::string_view text)
        : key(name), value(text.substr(0, longest_text))
    {
    }

    Field(std::string_view name, const char* text) : Field(name, std::string_view(text)) {}

    Field(std::string_view name, const std::string& text) : Field(name, std::string_view(text)) {}

    template <std::integral Number>
    Field(std::string_view name, Number number)
        : key(name), value(static_cast<std::uint64_t>(number))
    {
    }

    template <class Rep, class Period>
    Field(std::string_view name, std::chrono::duration<Rep, Period> duration)
        : key(name), value(Seconds{std::chrono::duration<double>(duration).count()})
    {
    }

    Field(std::string_view name, Bytes bytes) : key(name), value(bytes) {}

    std::string_view key;
    std::variant<std::string_view, std::uint64_t, Seconds, Bytes> value;
    std::string_view peer{}; // whose budget the line uses, if no field says it; not shown
};

using Fields = std::initializer_list<Field>;

// Whether a line may be left out. A peer must not be able to fill the log, so by default each peer
// has a budget for each message, see log_limits.hpp. Lines of level debug are never left out.
enum class Limit : std::uint8_t {
    by_peer,
    none // for what only the user causes, or where every line is wanted; say why in the code
};

// Sets the level and format for the whole process. Call it once, before any thread is started.
void configure(Level most_detailed, Format format);

// From now on lines go to this file instead of stderr, where only trouble with the file is told.
// Call it after configure(), before queue_lines(). Throws std::system_error that names the file.
void write_to(const std::string& file);

// Opens that file again soon, if there is one, since it may have been moved away.
void reopen();

// That file; null: there is none.
const LogFile* file();

// Where reopen() may make a file; empty: nowhere.
std::filesystem::path place_of_file();

// Changes the level later, from any thread.
void set_level(Level most_detailed);

// For test tools that play many peers: no line is left out.
void keep_every_line();

Format format();

// Writes one line if `level` is enabled. Safe from any thread. A line that cannot be written
// (stderr closed, disk full) is lost: logging never stops the relay.
void write(Level level, std::string_view message, Fields fields = {}, Limit limit = Limit::by_peer);

inline void error(std::string_view message, Fields fields = {}, Limit limit = Limit::by_peer)
{
    write(Level::error, message, fields, limit);
}

inline void warn(std::string_view message, Fields fields = {}, Limit limit = Limit::by_peer)
{
    write(Level::warn, message, fields, limit);
}

inline void info(std::string_view message, Fields fields = {}, Limit limit = Limit::by_peer)
{
    write(Level::info, message, fields, limit);
}

inline void debug(std::string_view message, Fields fields = {})
{
    write(Level::debug, message, fields, Limit::none);
}

// Writes a warning while the budget of `about` lasts, and the same line as information afterwards.
void warn_or_info(std::string_view message, Fields fields, std::string_view about);

// From now on write() queues lines and never waits for stderr or the file. Call it before any
// thread is started.
void queue_lines();

// Starts the thread that writes the queue. Call it inside the sandbox: its restrictions do not
// apply to threads that exist already.
void start_writing();

// Waits until the queue is written, until `limit` at the latest.
void finish(std::chrono::steady_clock::time_point limit);

// Escapes all but printable ASCII, for text from the network that is printed outside the log.
std::string escape(std::string_view text);

// The line as it would be written, without its end of line; for tests.
std::string render(Format format, std::chrono::system_clock::time_point time, Level level,
                   std::string_view message, Fields fields, bool colour);

} // namespace tunnel::log
