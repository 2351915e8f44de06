// Takes the keys out of one table of a configuration file, and says what is wrong with them.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "common/options/document.hpp"

namespace tunnel {

// An empty list of whom to refuse means what it says, and programs that keep such a list, as
// fail2ban does, write one. An empty list of whom to let in or to trust would mean the contrary:
// everybody.
constexpr bool may_be_empty(std::string_view key)
{
    return key == "deny";
}

inline bool is_empty_list(const Setting& setting)
{
    return setting.kind == Setting::Kind::list && setting.entries.empty();
}

class TableReader {
public:
    // Takes the text of a value; throws std::invalid_argument that says what is wrong with it.
    using Read = std::function<void(const std::string& text)>;

    // `table` must live as long. `name` is what it is called in error messages, "services.web", or
    // empty for the whole file.
    TableReader(const Setting& table, std::string name, Problems& problems);

    // Each of these makes the key a known one, and does nothing else if the table has it not.

    // A text, or a whole number as if it were one.
    void one(const std::string& key, const Read& read);

    // The same, or a list of such, for each of which `read` is called. An empty list is refused,
    // but for those that may be empty.
    void several(const std::string& key, const Read& read);

    // The same for a key that is there and stands in the place of what holds for all tables, which
    // `clear` takes out. "off": nothing stands in its place.
    void instead(const Setting& setting, const Read& read, const std::function<void()>& clear);

    void boolean(const std::string& key, bool& value);

    // Null, and a problem if there is something else of this name.
    const Setting* table(const std::string& key);

    // Whatever it is; null if there is none.
    const Setting* take(const std::string& key);

    // A key that is known and not wanted, with the reason.
    void refuse(const std::string& key, const std::string& why);

    // What stands there and was not asked for has no meaning. `expected` says what has, unless a
    // known key was meant.
    void finish(const std::string& expected);

    // finish() with a list of the keys that are known.
    void finish();

    // A problem with this value, which is called by the table's name and the key's.
    void complain(const Setting& setting, const std::string& what);

private:
    std::string called(const std::string& key) const;
    void read_text(const Setting& setting, const std::string& key, const Read& read,
                   std::string_view expected);

    const Setting& table_;
    std::string name_;
    Problems& problems_;
    std::vector<std::string> known_;
};

// Calls `read` for each table [KEY.NAME], where `tables` is the one with that key. A name that is
// no plain one and what is no table are problems.
void for_each_table(const Setting& tables, Problems& problems,
                    const std::function<void(const Setting& table)>& read);

} // namespace tunnel
