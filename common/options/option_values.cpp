#include "common/options/option_values.hpp"

#include <cctype>
#include <string_view>
#include <unordered_map>

#include <fmt/format.h>

#include "common/base/error.hpp"

namespace tunnel {

namespace {

// By their keys: there may be a thousand tables.
using Index = std::unordered_map<std::string_view, const OptionValue*>;

Index index_of(const std::vector<OptionValue>& values)
{
    Index index;
    for (const OptionValue& each : values)
        index.emplace(each.key, &each);
    return index;
}

const OptionValue* value_of(const Index& index, const std::string& key)
{
    const auto found = index.find(key);
    return found == index.end() ? nullptr : found->second;
}

bool belongs_to_a_name(char c)
{
    constexpr std::string_view others = "._-/";
    return std::isalnum(static_cast<unsigned char>(c)) != 0 ||
           others.find(c) != std::string_view::npos;
}

// The whole name, and not a part of another one.
bool names_file(std::string_view what, std::string_view file)
{
    for (std::size_t at = what.find(file); at != std::string_view::npos;
         at = what.find(file, at + 1)) {
        const std::size_t end = at + file.size();
        if ((at == 0 || !belongs_to_a_name(what[at - 1])) &&
            (end == what.size() || !belongs_to_a_name(what[end])))
            return true;
    }
    return false;
}

} // namespace

std::vector<OptionChange> changes_between(const std::vector<OptionValue>& running,
                                          const std::vector<OptionValue>& fresh)
{
    const Index old_values = index_of(running);
    const Index new_values = index_of(fresh);
    std::vector<OptionChange> changes;
    for (const OptionValue& each : fresh) {
        const OptionValue* const before = value_of(old_values, each.key);
        const std::string from = before == nullptr ? std::string() : before->text;
        if (from != each.text)
            changes.push_back({each.key, from, each.text, each.reloads});
    }
    for (const OptionValue& each : running) {
        if (value_of(new_values, each.key) == nullptr)
            changes.push_back({each.key, each.text, {}, each.reloads});
    }
    return changes;
}

std::vector<OptionValue> in_force_after(const std::vector<OptionValue>& running,
                                        std::vector<OptionValue> fresh)
{
    const Index old_values = index_of(running);
    for (OptionValue& each : fresh) {
        const OptionValue* const before = value_of(old_values, each.key);
        if (!each.reloads && before != nullptr)
            each.text = before->text;
    }
    return fresh;
}

std::string name_option(const std::string& what, const std::vector<OptionValue>& options)
{
    const OptionValue* about = nullptr;
    std::size_t longest = 0;
    for (const OptionValue& each : options) {
        for (const std::string& file : each.files) {
            if (file.size() > longest && names_file(what, file)) {
                about = &each;
                longest = file.size();
            }
        }
    }
    if (about == nullptr)
        return what;
    const std::string name = about->is_flag ? "--" + about->key : about->key;
    return what.find(name) == std::string::npos ? fmt::format("{}: {}", name, what) : what;
}

void rethrow_naming(const std::string& option, const std::system_error& error)
{
    std::string what = error.what();
    if (!what.starts_with("cannot listen on"))
        throw;
    const std::string why = ": " + error.code().message(); // which fail() adds again
    if (what.ends_with(why))
        what.resize(what.size() - why.size());
    fail(error.code(), fmt::format("{}: {}", option, what));
}

} // namespace tunnel
