#include "common/options/configuration_files.hpp"

#include <algorithm>
#include <stdexcept>

#include <fmt/format.h>
#include <fnmatch.h>

#include "common/base/log.hpp"
#include "common/files/file_source.hpp"
#include "common/options/key_names.hpp"
#include "common/security/file.hpp"

namespace tunnel {

namespace {

namespace fs = std::filesystem;

constexpr std::size_t largest_configuration = 1024 * 1024;
constexpr std::size_t most_files = 1000;

bool is_pattern(const fs::path& path)
{
    return path.native().find('*') != std::string::npos;
}

// Names that begin with a dot are those of editors.
std::vector<fs::path> matching(const fs::path& pattern)
{
    if (!is_pattern(pattern))
        return {pattern};
    std::vector<fs::path> found;
    for (const std::string& name : files().names_in(pattern.parent_path().string())) {
        if (::fnmatch(pattern.filename().c_str(), name.c_str(), FNM_PERIOD | FNM_NOESCAPE) == 0 &&
            found.size() <= most_files)
            found.push_back(pattern.parent_path() / name);
    }
    std::ranges::sort(found);
    return found;
}

Setting parse_file(const fs::path& path, const FilePlace& asked_at, Problems& problems)
{
    try {
        const PrivateText text = read_file(path.string(), largest_configuration);
        return parse_toml(text.view(), path.string(), configuration_syntax, problems);
    } catch (const std::runtime_error& error) {
        problems.add(asked_at, log::escape(error.what()));
        return {};
    }
}

// What is wrong with it; empty: nothing.
std::string objection_to(const fs::path& pattern)
{
    if (!pattern.has_filename() || is_pattern(pattern.parent_path()))
        return "expected the name of a file, with * in its last part at most";
    return {};
}

void include(const Setting& setting, Configuration& configuration, Problems& problems)
{
    const fs::path folder = configuration.files.top.parent_path();
    if (setting.kind != Setting::Kind::text) {
        problems.add(setting.place, fmt::format("include has {} in it, expected names of files",
                                                describe(setting.kind)));
        return;
    }
    // A name from within the working directory has an empty folder, which nobody can open.
    const fs::path pattern = (folder.empty() ? fs::path(".") : folder) / setting.text;
    if (const std::string objection = objection_to(pattern); !objection.empty()) {
        problems.add(setting.place, fmt::format("include: \"{}\": {}", log::escape(setting.text),
                                                log::escape(objection)));
        return;
    }
    if (is_pattern(pattern) && !files().status(pattern.parent_path().string()).is_folder())
        configuration.doubts.push_back(fmt::format(
            "{}: include \"{}\" finds nothing: there is no folder {}", to_string(setting.place),
            log::escape(setting.text), log::escape(pattern.parent_path().string())));
    configuration.files.patterns.push_back(pattern);
    const auto found = matching(pattern);
    if (found.size() > most_files) {
        problems.add(setting.place, fmt::format("include: \"{}\" means more than {} files",
                                                log::escape(setting.text), most_files));
        return;
    }
    const FileStatus top = files().status(configuration.files.top.string());
    for (const fs::path& file : found) {
        if (top.is_same_file(files().status(file.string())))
            continue;
        Setting included = parse_file(file, setting.place, problems);
        std::erase_if(included.entries, [&problems](const Setting& each) {
            if (each.key == "include")
                problems.add(each.place, "include is for the file of --config alone");
            return each.key == "include";
        });
        merge(configuration.settings, std::move(included), problems);
    }
}

// `key = "TEXT"` out of lines that are no TOML as a whole.
std::string text_in_lines(std::string_view lines, std::string_view key)
{
    constexpr std::string_view blank = " \t";
    const auto trim = [blank](std::string_view text) {
        text.remove_prefix(std::min(text.find_first_not_of(blank), text.size()));
        return text;
    };
    while (!lines.empty()) {
        const std::size_t end = std::min(lines.find('\n'), lines.size());
        std::string_view line = trim(lines.substr(0, end));
        lines.remove_prefix(std::min(end + 1, lines.size()));
        if (line.starts_with('[')) // a table, and what follows is in it
            return {};
        if (!line.starts_with(key))
            continue;
        line = trim(line.substr(key.size()));
        if (!line.starts_with('='))
            continue;
        line = trim(line.substr(1));
        const std::size_t close =
            line.starts_with('"') || line.starts_with('\'') ? line.find(line[0], 1) : line.npos;
        if (close != line.npos)
            return std::string(line.substr(1, close - 1));
    }
    return {};
}

} // namespace

std::vector<fs::path> ConfigurationFiles::present() const
{
    std::vector<fs::path> all;
    if (!top.empty())
        all.push_back(top);
    for (const fs::path& pattern : patterns) {
        const auto more = matching(pattern);
        all.insert(all.end(), more.begin(), more.end());
    }
    return all;
}

Configuration read_configuration(const std::string& path, Problems& problems)
{
    Configuration configuration;
    configuration.files.top = path;
    configuration.settings = parse_file(path, {}, problems);
    const Setting* const found = configuration.settings.find("include");
    if (found == nullptr)
        return configuration;
    const Setting asked = *found;
    std::erase_if(configuration.settings.entries,
                  [](const Setting& each) { return each.key == "include"; });
    if (asked.kind != Setting::Kind::list) {
        include(asked, configuration, problems);
        return configuration;
    }
    for (const Setting& each : asked.entries)
        include(each, configuration, problems);
    return configuration;
}

std::string text_of_key(const std::string& path, std::string_view key)
{
    try {
        Problems problems;
        const Configuration configuration = read_configuration(path, problems);
        if (const Setting* const found = configuration.settings.find(key))
            return found->text;
        if (!problems.empty())
            return text_in_lines(read_file(path, largest_configuration).view(), key);
    } catch (const std::runtime_error&) { // it cannot be read
    }
    return {};
}

} // namespace tunnel
