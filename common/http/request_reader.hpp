// Parses the requests of a connection: HTTP/1.1 by Boost.Beast's parser, and stricter.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "common/http/request.hpp"

namespace tunnel {

// No sockets and no clock. Whatever two parsers could understand differently is refused, so that no
// proxy in between sees other requests than this one (request smuggling).
class RequestReader {
public:
    struct Limits {
        std::size_t head = 8 * 1024; // bytes
        std::size_t headers = 64;
        std::size_t body = 1024 * 1024; // bytes
        // For whoever answers each head and closes after one that has a body: that is not read,
        // whatever its size or coding, and nothing behind it; nor is the target decoded, so there
        // are no segments and no query.
        bool heads_only = false;
    };

    enum class Progress : std::uint8_t {
        none, // no byte of a request has come
        head, // part of its head
        body, // the head, but not all of the body
        whole,
        wrong, // nothing after it can be understood
    };

    // The answer to a wrong request.
    struct Problem {
        unsigned status = 400;
        std::string text{};
    };

    RequestReader();
    explicit RequestReader(const Limits& limits);
    RequestReader(RequestReader&&) noexcept;
    ~RequestReader();

    // Takes all of `bytes`; those behind a whole request are kept for next(). It holds a head, a
    // body and one call's bytes at most, if it is not called on while a request is whole.
    Progress put(std::string_view bytes);

    Progress progress() const { return progress_; }

    // When progress is body or whole. The body is complete when it is whole.
    const Request& request() const { return request_; }

    // When progress is wrong.
    const Problem& problem() const { return problem_; }

    // Drops the whole request and parses what came after it.
    Progress next();

private:
    struct Parser;

    Progress read();
    bool skip_empty_lines();
    bool read_head();
    bool read_body();
    bool take_target(std::string_view text);
    std::optional<Problem> objection(std::string_view head) const;
    std::optional<Problem> objection_to_length() const;
    Progress fail(Problem problem);

    Limits limits_;
    std::unique_ptr<Parser> parser_; // of this request
    std::string pending_;            // received, not parsed yet
    int empty_lines_ = 0;            // before this request
    Progress progress_ = Progress::none;
    Request request_;
    Problem problem_;
};

} // namespace tunnel
