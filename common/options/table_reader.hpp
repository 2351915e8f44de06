// Takes the keys out of one table of a configuration file, and says what is wrong with them.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "common/options/document.hpp"
#include "common/options/option.hpp"

namespace tunnel {

inline bool is_empty_list(const Setting& setting)
{
    return setting.kind == Setting::Kind::list && setting.entries.empty();
}

class TableReader {
public:
    // `table` must live as long. `name` is what it is called in error messages, "services.web", or
    // empty for the whole file.
    TableReader(const Setting& table, std::string name, Problems& problems);

    // Each of these makes the key a known one, and does nothing else if the table has it not.

    // Reads the keys of a table, each into its variable. One that is required and missing is a
    // problem.
    void read(const OptionList& keys);

    // Reads one of them. A number may stand for a text.
    void read(const Option& key);

    // Null, and a problem if there is something else of this name.
    const Setting* table(const std::string& key);

    // Whatever it is; null if there is none.
    const Setting* take(const std::string& key);

    // A key that is not wanted, with the reason. It is never named among those that are.
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
    void read_list(const Setting& setting, const Option& key);
    void read_switch(const Setting& setting, const Option& key);
    void read_text(const Setting& setting, const Option& key, std::string_view expected);

    const Setting& table_;
    std::string name_;
    Problems& problems_;
    std::vector<std::string> known_;
    std::vector<std::string> refused_;
};

// Calls `read` for each table [KEY.NAME], where `tables` is the one with that key. A name that is
// no plain one and what is no table are problems.
void for_each_table(const Setting& tables, Problems& problems,
                    const std::function<void(const Setting& table)>& read);

} // namespace tunnel
