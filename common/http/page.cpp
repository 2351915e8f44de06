#include "common/http/page.hpp"

#include <fmt/format.h>

#include "common/base/number.hpp"
#include "common/http/target.hpp"

namespace tunnel {

std::optional<std::uint64_t> Page::after_number() const
{
    return after.empty() ? 0 : parse_whole<std::uint64_t>(after);
}

std::variant<Page, Response> page_of(const Request& request)
{
    Page page;
    if (const auto limit = query_value(request.query, "limit")) {
        const auto wanted = parse_whole<std::size_t>(*limit);
        if (!wanted || *wanted == 0 || *wanted > Page::most)
            return refusal(400, fmt::format("limit is a number from 1 to {}", Page::most));
        page.limit = *wanted;
    }
    page.after = query_value(request.query, "after").value_or("");
    return page;
}

} // namespace tunnel
