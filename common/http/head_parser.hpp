// Takes a head apart into its lines, by Boost.Beast's parser: what both kinds of heads need of it.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "common/http/message_head.hpp"

namespace tunnel {

// Views into the bytes that were parsed.
struct HeadLines {
    std::string_view method; // of a request, like the next
    std::string_view target;
    unsigned status = 0; // of a response, like the next
    std::string_view reason;
    bool is_http_1_0 = false;
    std::vector<HeaderField> fields{}; // most_fields at most
};

// nullopt: `lines` has them. `head` is whole, and there is nothing before it.
std::optional<MessageProblem> split_request_head(std::string_view head, HeadLines& lines);
std::optional<MessageProblem> split_response_head(std::string_view head, HeadLines& lines);

} // namespace tunnel
