// Answers of the management interface as JSON, and paged lists.
#pragma once

#include <algorithm>
#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "common/base/json.hpp"
#include "common/http/page.hpp"
#include "common/http/request.hpp"
#include "common/http/response.hpp"
#include "common/management/reload.hpp"

namespace tunnel {

struct OptionChange;

struct ReloadReport;

Response json_response(const Json& json, unsigned status = 200);

// 404, there is nothing of this name.
Response no_such(std::string_view name);

// A list under its name, with "next" for the page that follows, if one does.
Json list(std::string_view name, Json entries, const std::optional<std::string>& next);

// A page of those that have names, in the order of these.
template <class Named, class ToJson>
Response page_of_named(std::string_view key, std::vector<Named> all, const Request& request,
                       const ToJson& to_json)
{
    const auto asked = page_of(request);
    if (const auto* const wrong = std::get_if<Response>(&asked))
        return *wrong;
    const Page& page = std::get<Page>(asked);
    std::ranges::sort(all, {}, &Named::name);
    Json entries = Json::array();
    std::optional<std::string> next;
    for (const Named& each : all) {
        if (!page.after.empty() && each.name <= page.after)
            continue;
        if (entries.size() == page.limit) {
            next = entries.back().at("name").template get<std::string>();
            break;
        }
        entries.push_back(to_json(each));
    }
    return json_response(list(key, std::move(entries), next));
}

// 404 if there is none of this name.
template <class Named, class ToJson>
Response one_of_named(const std::vector<Named>& all, const std::string& name, const ToJson& to_json)
{
    const auto found = std::ranges::find(all, name, &Named::name);
    return found == all.end() ? no_such(name) : json_response(to_json(*found));
}

// The changes that a reload has found (common/options/option_values.hpp).
Response to_response(const std::vector<OptionChange>& changes);

// The answer to POST /v1/reload: which options have changed, and which need a restart; 422 with the
// problems if `reload` fails.
awaitable<Response> answer_reload(Reload reload);

} // namespace tunnel
