#include <algorithm>
#include <variant>

#include "common/http/body_scanner.hpp"
#include "common/http/request_head.hpp"
#include "common/http/response_head.hpp"
#include "tests/smuggling/message_ends.hpp"

namespace tunnel::smuggling {

namespace {

// What a relay needs to know of a head.
struct Message {
    BodySize body{};
    bool keep_alive = true;
    bool is_interim = false;
    bool is_upgrade = false;
};

std::variant<Message, MessageProblem> parse(Kind kind, std::string_view head)
{
    if (kind == Kind::request) {
        auto parsed = parse_request_head(head);
        if (auto* problem = std::get_if<MessageProblem>(&parsed))
            return *problem;
        const auto& request = std::get<RequestHead>(parsed);
        return Message{request.body, request.keep_alive, false, false};
    }
    auto parsed = parse_response_head(head, kind == Kind::response_to_head);
    if (auto* problem = std::get_if<MessageProblem>(&parsed))
        return *problem;
    const auto& response = std::get<ResponseHead>(parsed);
    return Message{response.body, response.keep_alive, response.is_interim, response.is_upgrade};
}

} // namespace

MessageEnds ends_by_ours(Kind kind, std::string_view bytes)
{
    MessageEnds ends;
    std::string_view rest = bytes;
    while (!rest.empty()) {
        const HeadSearch search =
            kind == Kind::request ? find_request_head(rest, 0) : find_response_head(rest, 0);
        if (search.is == HeadSearch::Is::incomplete)
            return ends;
        ends.stop = Stop::refused;
        if (search.is == HeadSearch::Is::wrong)
            return ends;
        const auto parsed = parse(kind, rest.substr(0, search.size));
        if (std::holds_alternative<MessageProblem>(parsed))
            return ends;
        const auto& message = std::get<Message>(parsed);
        BodyScanner scanner(message.body);
        const std::size_t size = search.size + scanner.put(rest.substr(search.size));
        rest.remove_prefix(size);
        ends.passed = bytes.size() - rest.size();
        if (scanner.state() == BodyScanner::State::wrong)
            return ends;
        ends.stop = message.body.is == BodySize::Is::until_end ? Stop::until_end : Stop::more;
        if (scanner.state() == BodyScanner::State::more)
            return ends;
        if (!message.is_interim)
            ends.at.push_back(ends.passed);
        if (message.is_upgrade || !message.keep_alive) {
            ends.stop = message.is_upgrade ? Stop::upgraded : Stop::closed;
            return ends;
        }
    }
    return ends;
}

} // namespace tunnel::smuggling
