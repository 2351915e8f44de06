// Answers of the management interface as JSON, and lists that are answered in pages.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include <nlohmann/json.hpp>

#include "common/management/request.hpp"
#include "common/management/response.hpp"

namespace tunnel {

// With the keys in the order in which they were put in.
using Json = nlohmann::ordered_json;

// On one line. Texts that are no UTF-8 have U+FFFD where they are not: a peer may have sent them.
std::string to_line(const Json& json);

Response json_response(const Json& json, unsigned status = 200);

// What a request says after the "?".
struct Page {
    static constexpr std::size_t most = 1000;

    std::size_t limit = 100;
    std::string after{}; // the last one of the page before; empty: from the beginning

    // The same as a number; nullopt: it is none. 0 for the beginning.
    std::optional<std::uint64_t> after_number() const;
};

// 400 if it is no page.
std::variant<Page, Response> page_of(const Request& request);

// The value of this name in a query, decoded; nullopt: there is none, or it is badly encoded.
std::optional<std::string> query_value(std::string_view query, std::string_view name);

// A list under its name, with "next" for the page that follows, if one does.
Json list(std::string_view name, Json entries, const std::optional<std::string>& next);

} // namespace tunnel
