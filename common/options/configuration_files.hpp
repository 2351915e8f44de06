// The configuration's files.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "common/options/document.hpp"

namespace tunnel {

// The file of --config, and what it includes.
struct ConfigurationFiles {
    std::filesystem::path top{};                   // empty: there is none
    std::vector<std::filesystem::path> patterns{}; // "FOLDER/*.toml"

    // Those that there are now, `top` first and the others of each pattern in the order of their
    // names.
    std::vector<std::filesystem::path> present() const;
};

// What all files say together.
struct Configuration {
    Setting settings;
    ConfigurationFiles files;
    std::vector<std::string> doubts{}; // what is no error, and most likely a mistake
};

// What is wrong when a text is no configuration at all.
inline constexpr std::string_view configuration_syntax =
    "expected key = value with texts in quotes, or [table]";

// Reads the file at `path` and those that it includes; what is wrong goes to `problems`.
Configuration read_configuration(const std::string& path, Problems& problems);

// The text that the file at `path` has under a key outside of all tables, as far as that can be
// told although the file has mistakes; empty: none.
std::string text_of_key(const std::string& path, std::string_view key);

} // namespace tunnel
