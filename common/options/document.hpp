// A configuration file as values with their places, and what is found wrong in it.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tunnel {

// Where something stands.
struct FilePlace {
    std::string file{};
    std::size_t line = 0;

    // clang-tidy 14 means the 0 in what the compiler writes here.
    // NOLINTNEXTLINE(modernize-use-nullptr)
    friend auto operator<=>(const FilePlace&, const FilePlace&) = default;
};

// "FILE line N".
std::string to_string(const FilePlace& place);

// What is wrong, all of it: nobody wants to mend a file line by line, one start for each.
class Problems {
public:
    // `what` is one line: what was found, and what was expected.
    void add(const FilePlace& place, const std::string& what);

    // About no line of a file.
    void add(const std::string& what) { add(FilePlace(), what); }

    bool empty() const { return all_.empty(); }

    // A line for each, those of one file in the order of its lines.
    std::string text() const;

    // The line of the one that was found first; there must be one.
    std::string first() const;

private:
    std::vector<std::pair<FilePlace, std::string>> sorted() const;

    std::vector<std::pair<FilePlace, std::string>> all_;
};

// A value. Texts that may be secrets are among them, so whoever shows one must know what it is.
struct Setting {
    enum class Kind : std::uint8_t { text, number, boolean, list, table, other };

    std::string key{}; // in a table
    FilePlace place{};
    Kind kind = Kind::table;
    std::string text{};             // a text, a whole number in decimal, or true or false
    std::vector<Setting> entries{}; // of a list or a table, in the order of the file

    // Null: the table has no such key.
    const Setting* find(std::string_view wanted) const;
    Setting* find(std::string_view wanted);
};

// In words, for what was found: "a list".
std::string_view describe(Setting::Kind kind);

// The whole of a TOML text; nothing but a problem where it is none, without quoting it. `expected`
// says what should be there instead.
Setting parse_toml(std::string_view text, const std::string& path, std::string_view expected,
                   Problems& problems);

// Puts what another file says to `all`. Tables come together; the same key, or the same name in
// two tables, is a problem.
void merge(Setting& all, Setting other, Problems& problems);

} // namespace tunnel
