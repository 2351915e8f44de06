// One option: what flag, variable, file, table, --help, print-config, check and a reload know of
// it. A page of the manual or the completion of a shell needs nothing else.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace tunnel {

struct Setting;

// Shown where no value is no limit. It cannot be given.
inline constexpr std::string_view no_limit = "no limit";

// How a value is written, and the variable that it goes to, which must live as long.
struct ValueReader {
    enum class File : std::uint8_t {
        none,
        read, // at the start, and again at each reload
        written,
    };

    std::string syntax{};    // "HOST:PORT"; empty: true or false
    std::string if_absent{}; // what holds without the option, as text; empty: nothing
    // Throws std::invalid_argument that says what is wrong with the text.
    std::function<void(const std::string& text)> read{};
    // Several values: it may be given more than once, and in a file as a list.
    bool is_list = false;
    // Of a list: takes its values out. A table's list then replaces the one of the flag; without
    // this it is added to it.
    std::function<void()> clear{};
    std::vector<std::string> choices{}; // all values that there are; empty: too many to name
    std::string bounds{};               // "1 to 64"; empty: none
    bool* is_on = nullptr;              // of true or false, which has no text
    File file = File::none;             // that the value names
    // Why a command line, which others can read, must not have this value; empty: it may.
    std::function<std::string(const std::string& text)> objection_to_argument{};
    // The text as others may see it; without this it is the same.
    std::function<std::string(const std::string& text)> shown{};
    // In the place of `read`, of a key in a table: takes whatever stands there.
    std::function<void(const Setting& setting)> take{};
};

enum class Trait : std::uint16_t {
    none = 0,
    required = 1, // the program does not start without it
    common = 2,   // --help shows it, else only --help-all
    reloads = 4,  // a reload applies it; else it needs a restart
    secret = 8,   // print-config masks it
    // Empty variables count as missing, since compose files make one of ${NOT_SET}. Not so this
    // one: without it the program would trust others than it was meant to, or everybody.
    never_empty = 16,
    // An empty list means what it says: programs that keep a list of whom to refuse, such as
    // fail2ban, write one. An empty list of whom to let in would let in everybody.
    may_be_empty = 32,
    for_commands = 64, // commands that ask a running program need it too
    flag_only = 128,   // no key of tables
    key_only = 256,    // of tables; no flag
};

constexpr Trait operator|(Trait one, Trait other)
{
    return static_cast<Trait>(static_cast<std::uint16_t>(one) | static_cast<std::uint16_t>(other));
}

struct Option {
    std::string name; // the key in the file; the flag has two dashes before it
    ValueReader value;
    std::string help;
    Trait traits = Trait::none;
    std::string group{}; // the heading in --help-all

    bool is(Trait trait) const
    {
        return (static_cast<std::uint16_t>(traits) & static_cast<std::uint16_t>(trait)) != 0;
    }

    bool is_switch() const { return value.syntax.empty(); }

    std::string flag() const { return "--" + name; }

    // What print-config may say without it; empty: nothing, so that the key is left out.
    std::string_view printed_default() const
    {
        return value.if_absent == no_limit ? std::string_view() : value.if_absent;
    }
};

using OptionList = std::vector<Option>;

// Null: there is none of this name.
inline const Option* find_option(const OptionList& options, std::string_view name)
{
    const auto found = std::ranges::find(options, name, &Option::name);
    return found == options.end() ? nullptr : &*found;
}

inline void append(OptionList& all, OptionList more)
{
    for (Option& each : more)
        all.push_back(std::move(each));
}

// The same, with all of them in one group.
inline void append(OptionList& all, const std::string& group, OptionList more)
{
    for (Option& each : more)
        each.group = group;
    append(all, std::move(more));
}

} // namespace tunnel
