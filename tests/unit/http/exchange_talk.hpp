// One visitor, one exchange and one origin server, without sockets.
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "remote-proxy/http/http_exchange.hpp"
#include "tests/unit/http/heads.hpp"

namespace tunnel::test {

inline const auto routes = std::make_shared<RoutesVersion>(1);

inline HttpVisit visit_to(std::string host)
{
    HttpVisit visit;
    visit.host = std::move(host);
    visit.rules.visitor_address = "192.0.2.1";
    visit.shares_streams = true;
    visit.routes = routes;
    visit.routes_version = routes->load();
    visit.counts = std::make_shared<HttpServiceCounts>();
    return visit;
}

// As the origin server gets the head.
inline std::string forwarded(std::string_view head, const ForwardRules& rules)
{
    const auto parsed = parse_request_head(head);
    std::string out;
    append_request(out, std::get<RequestHead>(parsed), rules); // which throws if it is none
    return out;
}

// How the relay shows bytes: in pieces, and those that the filter leaves again later.
class Talk {
public:
    using After = HttpExchange::After;
    using Then = Filter::Then;

    // `request` begins with a whole head.
    explicit Talk(std::string_view request, HttpVisit visit = visit_to("a.example"),
                  std::size_t its_piece = SIZE_MAX)
        : piece(its_piece), exchange(make(request, std::move(visit)))
    {
        const HeadSearch head = find_request_head(request, 0);
        to_origin = exchange->beginning();
        visitor(request.substr(head.size));
    }

    void visitor(std::string_view bytes)
    {
        from_visitor += bytes;
        work();
    }

    void origin(std::string_view bytes)
    {
        from_origin += bytes;
        work();
    }

    Filter::AtEnd visitor_ends() { return exchange->forth_ended(); }

    Filter::AtEnd origin_ends() { return exchange->back_ended(); }

    bool is_done() const { return exchange->is_done(); }

    HttpExchange::Stream stream() const { return exchange->stream(); }

    // What comes after it; it must be done.
    HttpExchange::Outcome outcome()
    {
        REQUIRE(exchange->is_done());
        if (!outcome_)
            exchange->give_back(Channel());
        REQUIRE(outcome_);
        return *outcome_;
    }

    // What the visitor's next reader gets.
    std::string unread() { return outcome().unread + from_visitor; }

    std::string take_to_origin() { return std::exchange(to_origin, {}); }

    std::string take_to_visitor() { return std::exchange(to_visitor, {}); }

    std::size_t piece;          // the most that is shown at once
    bool passes_unseen = false; // what need not be shown is not
    std::string to_origin;
    std::string to_visitor;
    std::string from_visitor; // that was not taken yet
    std::string from_origin;
    Then forth_then = Then::more;
    Then back_then = Then::more;
    std::optional<HttpExchange::Outcome> outcome_;
    std::unique_ptr<HttpExchange> exchange;

private:
    std::unique_ptr<HttpExchange> make(std::string_view request, HttpVisit visit)
    {
        const HeadSearch found = find_request_head(request, 0);
        REQUIRE(found.is == HeadSearch::Is::whole);
        const std::string bytes(request.substr(0, found.size));
        const auto parsed = parse_request_head(bytes);
        REQUIRE(std::holds_alternative<RequestHead>(parsed));
        return std::make_unique<HttpExchange>(
            std::move(visit), bytes, std::get<RequestHead>(parsed),
            [this](Channel, HttpExchange::Outcome outcome) { outcome_ = std::move(outcome); });
    }

    // Until nothing moves any more, as a worker does it: the answers first.
    void work()
    {
        for (bool moved = true; moved;) {
            moved = move_back();
            moved = move_forth() || moved;
        }
    }

    bool move_back()
    {
        if (from_origin.empty() || is_done() || back_then != Then::more)
            return false;
        const std::size_t size = std::min(piece, from_origin.size());
        if (const auto unseen = exchange->unseen_back(); passes_unseen && unseen > 0) {
            const std::size_t passes = std::min<std::uint64_t>(unseen, size);
            to_visitor += from_origin.substr(0, passes);
            from_origin.erase(0, passes);
            exchange->passed_back(passes);
            return true;
        }
        std::string_view rest = std::string_view(from_origin).substr(0, size);
        for (Filter::Step step{1}; !rest.empty() && step.taken > 0 && back_then == Then::more;) {
            step = exchange->back(rest, to_visitor);
            rest.remove_prefix(step.taken);
            back_then = step.then;
        }
        CHECK((rest.empty() || back_then != Then::more)); // frames were around them
        from_origin.erase(0, size - rest.size());
        return true;
    }

    bool move_forth()
    {
        if (from_visitor.empty() || is_done() || !exchange->wants_forth() ||
            forth_then != Then::more)
            return false;
        const std::size_t size = std::min(piece, from_visitor.size());
        if (const auto unseen = exchange->unseen_forth(); passes_unseen && unseen > 0) {
            const std::size_t passes = std::min<std::uint64_t>(unseen, size);
            to_origin += from_visitor.substr(0, passes);
            from_visitor.erase(0, passes);
            exchange->passed_forth(passes);
            return true;
        }
        const std::size_t before = from_visitor.size();
        std::string_view rest = std::string_view(from_visitor).substr(0, size);
        for (Filter::Step step{1}; !rest.empty() && step.taken > 0 && forth_then == Then::more;) {
            step = exchange->forth(rest, to_origin);
            rest.remove_prefix(step.taken);
            forth_then = step.then;
        }
        from_visitor.erase(0, size - rest.size());
        return from_visitor.size() < before;
    }
};

inline const ForwardRules rules = visit_to("a.example").rules;
inline const std::string get = get_with("");
inline const std::string get_forwarded = forwarded(get, rules);
inline const std::string ok = ok_with("Content-Length: 2\r\n") + "ok";
inline const std::string post_head =
    "POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 5\r\n\r\n";
inline const std::string chunked_head =
    "POST / HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\n";

// As the visitor gets them.
inline std::string forwarded_answers(std::string_view answers, bool to_head = false,
                                     bool keep_alive = true)
{
    std::string out;
    for (;;) {
        const HeadSearch head = find_response_head(answers, 0);
        REQUIRE(head.is == HeadSearch::Is::whole);
        const auto parsed = parse_response_head(answers.substr(0, head.size), to_head);
        const auto& its = std::get<ResponseHead>(parsed);
        append_response(out, its, keep_alive, false);
        answers.remove_prefix(head.size);
        if (!its.is_interim)
            return out.append(answers);
    }
}

} // namespace tunnel::test
