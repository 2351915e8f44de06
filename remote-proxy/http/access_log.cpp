#include "remote-proxy/http/access_log.hpp"

#include <algorithm>

#include "common/base/log.hpp"

namespace tunnel {

namespace {

constexpr std::size_t longest_shown = 200;

// Left out if it is empty.
log::Field shown(std::string_view key, std::string_view text)
{
    return {text.empty() ? "" : key, text.substr(0, longest_shown)};
}

} // namespace

std::string_view path_of(std::string_view target)
{
    target = target.substr(0, target.find_first_of("?#"));
    const std::size_t scheme = target.find("://");
    if (target.starts_with('/') || scheme == std::string_view::npos)
        return target;
    target.remove_prefix(scheme + 3);
    target.remove_prefix(std::min(target.find('/'), target.size()));
    return target.empty() ? "/" : target;
}

void log_access(const AccessRecord& access)
{
    const bool is_own = access.own_answer != nullptr;
    log::info("request",
              {{"visitor", access.visitor},
               shown("service", access.service),
               shown("user", access.user),
               {"method", access.method.substr(0, longest_shown)},
               shown("host", access.host),
               {"path", path_of(access.target).substr(0, longest_shown)},
               {access.status == 0 ? "" : "status", access.status},
               {"sent", log::Bytes{access.bytes}},
               {"took", access.took},
               {is_own ? "code" : "", is_own ? name_of(*access.own_answer) : std::string_view()}},
              log::Limit::none);
}

} // namespace tunnel
