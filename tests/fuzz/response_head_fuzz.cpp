// Responses of origin servers: where they are cut does not matter, Beast finds the same end of
// each, and what the visitor gets is a response of the same length.
#include <string>
#include <variant>

#include "remote-proxy/http/forwarded_head.hpp"
#include "tests/fuzz/head.hpp"

using namespace tunnel;
using namespace tunnel::fuzz;

namespace {

void check_forwarded(const ResponseHead& head, bool to_head_request, bool keep_alive,
                     bool to_http_1_0)
{
    std::string out;
    append_response(out, head, keep_alive, to_http_1_0);
    require(out.empty() == (head.is_interim && to_http_1_0), "a visitor of HTTP/1.0 knows no 1xx");
    if (out.empty() || out.size() > largest_head || head.fields.size() + 1 > most_fields)
        return;
    const HeadSearch search = find_response_head(out, 0);
    require(search.is == HeadSearch::Is::whole && search.size == out.size(),
            "what goes on is one head");
    const auto parsed = parse_response_head(out, to_head_request);
    require(std::holds_alternative<ResponseHead>(parsed), "what goes on is a good head");
    const auto& again = std::get<ResponseHead>(parsed);
    require(again.status == head.status && again.reason == head.reason && again.body == head.body,
            "what goes on means the same");
    const bool may_stay = head.is_interim || head.is_upgrade ||
                          (keep_alive && head.body.is != BodySize::Is::until_end);
    require(again.keep_alive == may_stay, "the visitor learns whether its connection stays");
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    Input input(data, size);
    const std::uint8_t choice = input.choice();
    const bool to_head_request = (choice & 1U) != 0;
    const Pieces pieces{input};
    const std::string_view all = pieces.rest();
    const HeadSearch search = find_in_pieces(find_response_head, pieces);
    const auto parsed = parse_response_head(all.substr(0, search.size), to_head_request);
    if (search.is != HeadSearch::Is::whole) {
        require(std::holds_alternative<MessageProblem>(parsed),
                "what is no whole head is not taken");
        return 0;
    }
    if (const auto* problem = std::get_if<MessageProblem>(&parsed)) {
        require(problem->status == 502 && !problem->text.empty(), "what is wrong is told");
        return 0;
    }
    const auto& head = std::get<ResponseHead>(parsed);
    require_good_fields(head.fields, all.substr(0, search.size));
    require(!head.keep_alive || head.body.is != BodySize::Is::until_end,
            "nothing comes behind the end of a connection");
    check_forwarded(head, to_head_request, (choice & 2U) != 0, (choice & 4U) != 0);
    require_same_end<false>(all.substr(0, search.size), head.body, all.substr(search.size),
                            to_head_request);
    return 0;
}
