// Heads that are found and parsed however their bytes come.
#pragma once

#include <doctest/doctest.h>

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "common/http/request_head.hpp"
#include "common/http/response_head.hpp"

namespace tunnel {

// One head with the bytes that it views.
template <class Head>
struct Owned {
    std::unique_ptr<const std::string> bytes;
    Head head;

    const Head* operator->() const { return &head; }
};

using Find = HeadSearch (*)(std::string_view bytes, std::size_t searched);

// What is found when all bytes are there at once, and when one comes after the other.
inline HeadSearch find_both_ways(Find find, std::string_view bytes)
{
    HeadSearch whole = find(bytes, 0);
    HeadSearch bytewise;
    for (std::size_t size = 1; size <= bytes.size(); ++size) {
        bytewise = find(bytes.substr(0, size), bytewise.size);
        if (bytewise.is != HeadSearch::Is::incomplete)
            break;
        CHECK(bytewise.size == size);
    }
    CHECK(bytewise.is == whole.is);
    CHECK(bytewise.size == whole.size);
    CHECK(bytewise.problem.status == whole.problem.status);
    return whole;
}

// `bytes` are one head, and it is a good one.
inline Owned<RequestHead> request_of(std::string text)
{
    auto bytes = std::make_unique<const std::string>(std::move(text));
    const HeadSearch search = find_both_ways(find_request_head, *bytes);
    INFO(*bytes);
    REQUIRE(search.is == HeadSearch::Is::whole);
    REQUIRE(search.size == bytes->size());
    auto parsed = parse_request_head(*bytes);
    if (const auto* problem = std::get_if<MessageProblem>(&parsed))
        FAIL(problem->text);
    return {std::move(bytes), std::get<RequestHead>(std::move(parsed))};
}

inline Owned<ResponseHead> response_of(std::string text, bool to_head_request = false)
{
    auto bytes = std::make_unique<const std::string>(std::move(text));
    const HeadSearch search = find_both_ways(find_response_head, *bytes);
    INFO(*bytes);
    REQUIRE(search.is == HeadSearch::Is::whole);
    REQUIRE(search.size == bytes->size());
    auto parsed = parse_response_head(*bytes, to_head_request);
    if (const auto* problem = std::get_if<MessageProblem>(&parsed))
        FAIL(problem->text);
    return {std::move(bytes), std::get<ResponseHead>(std::move(parsed))};
}

// With what status the head is refused, sooner or later; 0: it is a good one.
inline unsigned status_for_request(std::string_view bytes)
{
    const HeadSearch search = find_both_ways(find_request_head, bytes);
    INFO(bytes);
    REQUIRE(search.is != HeadSearch::Is::incomplete);
    auto parsed = parse_request_head(bytes);
    const auto* problem = std::get_if<MessageProblem>(&parsed);
    if (search.is == HeadSearch::Is::wrong) {
        REQUIRE(problem != nullptr); // whatever a caller takes for a head
        CHECK(problem->status == search.problem.status);
        CHECK_FALSE(search.problem.text.empty());
    }
    return problem == nullptr ? 0 : problem->status;
}

inline unsigned status_for_response(std::string_view bytes)
{
    const HeadSearch search = find_both_ways(find_response_head, bytes);
    INFO(bytes);
    REQUIRE(search.is != HeadSearch::Is::incomplete);
    auto parsed = parse_response_head(bytes, false);
    const auto* problem = std::get_if<MessageProblem>(&parsed);
    CHECK((search.is != HeadSearch::Is::wrong || problem != nullptr));
    return problem == nullptr ? 0 : problem->status;
}

// A GET with these lines besides, each with its line end.
inline std::string get_with(std::string_view lines)
{
    return "GET / HTTP/1.1\r\nHost: a.example\r\n" + std::string(lines) + "\r\n";
}

inline std::string ok_with(std::string_view lines)
{
    return "HTTP/1.1 200 OK\r\n" + std::string(lines) + "\r\n";
}

} // namespace tunnel
