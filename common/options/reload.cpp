#include "common/options/reload.hpp"

#include <fmt/format.h>

#include "common/base/log.hpp"

namespace tunnel {

namespace {

std::string or_nothing(const std::string& text)
{
    return text.empty() ? "nothing" : text;
}

} // namespace

std::vector<OptionChange> finish_reload(const CommonOptions& running, CommonOptions& fresh)
{
    std::vector<OptionChange> changes = changes_between(running.values, fresh.values);
    fresh.values = in_force_after(running.values, std::move(fresh.values));
    std::string applied;
    for (const OptionChange& each : changes) {
        if (each.applied)
            applied += (applied.empty() ? "" : ", ") + each.key;
        else
            log::warn(fmt::format("{} changed from {} to {}: needs a restart", each.key,
                                  or_nothing(each.from), or_nothing(each.to)),
                      {{"option", each.key}});
    }
    if (!applied.empty())
        log::info("options have changed", {{"options", applied}});
    log::set_level(fresh.log_level); // after these lines, which tell of it
    return changes;
}

} // namespace tunnel
