#include "common/options/default_places.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <optional>

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

namespace tunnel {

namespace {

namespace fs = std::filesystem;

// As the XDG specification wants it: a relative path counts as none.
std::optional<fs::path> folder_in_variable(const char* variable)
{
    const char* const text = std::getenv(variable);
    if (text == nullptr || *text != '/')
        return std::nullopt;
    return fs::path(text);
}

bool is_there(const fs::path& path)
{
    struct stat status {};

    return ::stat(path.c_str(), &status) == 0;
}

// Also if this user may not look into its folder: then only somebody else knows.
bool may_exist(const fs::path& path)
{
    return is_there(path) || errno == EACCES;
}

} // namespace

std::vector<fs::path> default_configurations(std::string_view program)
{
    const std::string name = fmt::format("{0}/{0}.toml", program);
    std::vector<fs::path> all;
    if (const auto folder = folder_in_variable("XDG_CONFIG_HOME"))
        all.push_back(*folder / name);
    else if (const auto home = folder_in_variable("HOME"))
        all.push_back(*home / ".config" / name);
    all.push_back(fs::path("/etc") / name);
    return all;
}

fs::path first_that_exists(const std::vector<fs::path>& files)
{
    const auto found = std::ranges::find_if(files, is_there);
    if (found != files.end())
        return *found;
    // A home that is not this user's, as sudo may leave it in the environment, hides nothing.
    return !files.empty() && may_exist(files.back()) ? files.back() : fs::path();
}

std::vector<fs::path> default_management_sockets(std::string_view program)
{
    const std::string name = fmt::format("{}/management.sock", program);
    std::vector<fs::path> all{fs::path("/run") / name};
    if (const auto folder = folder_in_variable("XDG_RUNTIME_DIR"))
        all.push_back(*folder / name);
    return all;
}

fs::path best_socket(const std::vector<fs::path>& sockets)
{
    const auto may_connect = [](const fs::path& path) {
        return ::access(path.c_str(), R_OK | W_OK) == 0;
    };
    auto found = std::ranges::find_if(sockets, may_connect);
    if (found == sockets.end())
        found = std::ranges::find_if(sockets, may_exist);
    return found == sockets.end() ? fs::path() : *found;
}

} // namespace tunnel
