// Requests for a page of a list.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>

#include "common/http/request.hpp"
#include "common/http/response.hpp"

namespace tunnel {

// What the query of a request says.
struct Page {
    static constexpr std::size_t most = 1000;

    std::size_t limit = 100;
    std::string after{}; // the last entry of the previous page; empty: from the beginning

    // `after` as a number, 0 for the beginning; nullopt: it is not a number.
    std::optional<std::uint64_t> after_number() const;
};

// The page that is asked for, or the answer 400.
std::variant<Page, Response> page_of(const Request& request);

} // namespace tunnel
