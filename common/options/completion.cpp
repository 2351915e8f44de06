#include "common/options/completion.hpp"

#include <algorithm>
#include <stdexcept>

#include <fmt/format.h>

namespace tunnel {

std::string completion(std::string_view shell, const Usage& usage)
{
    if (shell == "bash")
        return bash_completion(usage);
    if (shell == "zsh")
        return zsh_completion(usage);
    if (shell == "fish")
        return fish_completion(usage);
    throw std::logic_error("no completion for this shell");
}

std::vector<HelpEntry> completion_places(std::string_view program)
{
    return {{"bash", fmt::format("~/.local/share/bash-completion/completions/{}", program)},
            {"zsh", fmt::format("_{}, in a folder of $fpath", program)},
            {"fish", fmt::format("~/.config/fish/completions/{}.fish", program)}};
}

std::vector<std::string> flags_to_hand_on(const Usage& usage)
{
    std::vector<std::string> all;
    for (const UsageFlag& flag : usage.flags) {
        if (!flag.asks)
            continue;
        all.push_back(flag.name);
        if (!flag.short_name.empty())
            all.push_back(flag.short_name);
    }
    for (const UsageCommand& command : usage.commands) {
        for (const UsageFlag& flag : command.flags) {
            if (flag.completed == Completed::file && std::ranges::find(all, flag.name) == all.end())
                all.push_back(flag.name);
        }
    }
    return all;
}

std::string replaced(std::string_view text, const std::vector<Replacement>& replacements)
{
    std::string all(text);
    for (const Replacement& each : replacements) {
        for (std::size_t at = 0; (at = all.find(each.name, at)) != std::string::npos;
             at += each.by.size())
            all.replace(at, each.name.size(), each.by);
    }
    return all;
}

std::string identifier(std::string_view program)
{
    std::string all(program);
    std::ranges::replace(all, '-', '_');
    return all;
}

} // namespace tunnel
