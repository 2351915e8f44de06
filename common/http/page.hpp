// Lists that are answered in pages, as a request asks for one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>

#include "common/http/request.hpp"
#include "common/http/response.hpp"

namespace tunnel {

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

} // namespace tunnel
