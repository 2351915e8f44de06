// Requests of visitors: where they are cut does not matter, Beast finds the same end of each, and
// what the origin server gets is a request of the same length from which nobody else can speak.
#include <cctype>
#include <string>
#include <variant>

#include "remote-proxy/http/forwarded_head.hpp"
#include "tests/fuzz/head.hpp"

using namespace tunnel;
using namespace tunnel::fuzz;

namespace {

void check_host(const RequestHead& head)
{
    require(std::ranges::all_of(head.host_text,
                                [](char c) {
                                    return std::isalnum(static_cast<unsigned char>(c)) != 0 ||
                                           std::string_view(".:_-[]").find(c) !=
                                               std::string_view::npos;
                                }),
            "a host has no characters that it cannot have");
    require(head.path_and_query == "*" || head.path_and_query.starts_with('/'), "a path is one");
}

// What goes on for a stranger is a good head again, means the same, and would go on as it is.
void check_forwarded(const RequestHead& head)
{
    ForwardRules rules;
    rules.visitor_address = "2001:db8::1";
    std::string once;
    append_request(once, head, rules);
    if (once.size() > largest_head || head.fields.size() + 6 > most_fields)
        return; // it only is for us that it is too large
    const HeadSearch search = find_request_head(once, 0);
    require(search.is == HeadSearch::Is::whole && search.size == once.size(),
            "what goes on is one head");
    const auto parsed = parse_request_head(once);
    require(std::holds_alternative<RequestHead>(parsed), "what goes on is a good head");
    const auto& again = std::get<RequestHead>(parsed);
    require(again.method == head.method && again.path_and_query == head.path_and_query &&
                again.host == head.host && again.body == head.body &&
                again.wants_upgrade == head.wants_upgrade &&
                again.is_http_1_0 == head.is_http_1_0 &&
                again.expects_continue == head.expects_continue,
            "what goes on means the same");
    std::size_t told = 0;
    for (const HeaderField& field : again.fields)
        told += field.value == "2001:db8::1" && field.name == "X-Forwarded-For" ? 1U : 0U;
    require(told >= 1, "it is told for whom");
    std::string twice;
    append_request(twice, again, rules);
    require(once == twice, "what is ours is not passed on as another's");
}

void check_trusted(const RequestHead& head)
{
    ForwardRules rules;
    rules.visitor_address = "192.0.2.1";
    rules.trusts_visitor = true;
    rules.host_header = "localhost";
    rules.user = "anna";
    std::string out;
    append_request(out, head, rules);
    require(out.size() <= largest_head + 8192, "a head does not become much longer");
    const HeadSearch search = find_request_head(out, 0);
    require(out.size() > largest_head ||
                (search.is == HeadSearch::Is::whole && search.size == out.size()),
            "what goes on for a trusted visitor is one head");
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    const Pieces pieces{Input(data, size)};
    const std::string_view all = pieces.rest();
    const HeadSearch search = find_in_pieces(find_request_head, pieces);
    const auto parsed = parse_request_head(all.substr(0, search.size));
    if (search.is != HeadSearch::Is::whole) {
        require(all.empty() || std::holds_alternative<MessageProblem>(parsed),
                "what is no whole head is not taken");
        return 0;
    }
    if (const auto* problem = std::get_if<MessageProblem>(&parsed)) {
        require(problem->status >= 400 && problem->status <= 505 && !problem->text.empty(),
                "what is wrong is told");
        return 0;
    }
    const auto& head = std::get<RequestHead>(parsed);
    require_good_fields(head.fields, all.substr(0, search.size));
    require(head.body.is != BodySize::Is::until_end, "a request ends before its connection");
    check_host(head);
    check_forwarded(head);
    check_trusted(head);
    std::string_view message = all;
    while (message.starts_with("\r\n")) // Beast has no empty lines before a request
        message.remove_prefix(2);
    const std::size_t head_size = search.size - (all.size() - message.size());
    require_same_end<true>(message.substr(0, head_size), head.body, message.substr(head_size),
                           false);
    return 0;
}
