// Answers of the management interface as JSON, and lists that are answered in pages.
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

#include <nlohmann/json.hpp>

#include "common/management/reload.hpp"
#include "common/management/request.hpp"
#include "common/management/response.hpp"

namespace tunnel {

struct OptionChange;

struct ReloadReport;

// With the keys in the order in which they were put in.
using Json = nlohmann::ordered_json;

// On one line. Texts that are no UTF-8 have U+FFFD where they are not: a peer may have sent them.
std::string to_line(const Json& json);

Response json_response(const Json& json, unsigned status = 200);

// 404, there is nothing of this name.
Response no_such(std::string_view name);

// What a request says after the "?".
struct Page {
    static constexpr std::size_t most = 1000;

    std::size_t limit = 100;
    std::string after{}; // the last one of the page before; empty: from the beginning

    // The same as a number; nullopt: it is none. 0 for the beginning.
    std::optional<std::uint64_t> after_number() const;
};

// What a page is asked for by; 400 if it is no page.
std::variant<Page, Response> page_of(const Request& request);

// The value of this name in a query, decoded; nullopt: there is none, or it is badly encoded.
std::optional<std::string> query_value(std::string_view query, std::string_view name);

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

// The changes that a reload has found (common/option_values.hpp).
Response to_response(const std::vector<OptionChange>& changes);

// To POST /v1/reload: which options have changed, and which of them need a restart; 422 with what
// is wrong with the options, if `reload` says so.
awaitable<Response> answer_reload(Reload reload);

} // namespace tunnel
