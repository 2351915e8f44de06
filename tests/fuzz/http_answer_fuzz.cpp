// Requests to the HTTP address: an answer does not depend on where the bytes were cut, sends nobody
// anywhere but to the name that was found, and is one answer whatever the request holds.
#include <algorithm>
#include <optional>
#include <string>
#include <variant>

#include "remote-proxy/fronts/http_answer.hpp"
#include "remote-proxy/http/error_pages.hpp"
#include "tests/fuzz/head.hpp"

using namespace tunnel;
using namespace tunnel::fuzz;

namespace {

constexpr std::string_view known = "app.example.com";

void check(const HttpAnswer& answer, std::string_view path_and_query)
{
    static const ErrorPages pages;
    const Response response = answer.own ? pages.response(*answer.own, "", "") : answer.response;
    for (const auto& [name, value] : answer.response.headers) {
        if (name != "Location")
            continue;
        require(response.status == 308, "only a redirect says where");
        require(value == "https://" + std::string(known) + ":8443" + std::string(path_and_query),
                "it is to the name that was found, and what was asked for there");
        require(std::ranges::all_of(value, [](char c) { return c > ' ' && c < '\x7f'; }),
                "it is one word");
    }
    require(answer.token.empty() || is_acme_token(answer.token), "a token is a name in a folder");
    require(!answer.token.empty() || response.status >= 300, "nothing else is here");
    const std::string bytes = encode(response, Sending());
    require(bytes.substr(bytes.find("\r\n\r\n") + 4) == response.body, "an answer has one head");
}

void check_request(std::string_view bytes)
{
    static const FindHost find = [](std::string_view host) {
        require(host.find_first_of(":/@ \r\n") == std::string_view::npos && !host.ends_with('.'),
                "only a canonical name is looked for");
        if (host == "web.example.com")
            return HostKnown{HostKnown::By::http};
        return HostKnown{host == known ? HostKnown::By::https : HostKnown::By::nobody};
    };
    const auto parsed = parse_request_head(bytes);
    if (const auto* problem = std::get_if<MessageProblem>(&parsed))
        return check(answer_to(*problem), "");
    const auto& head = std::get<RequestHead>(parsed);
    const HttpAnswer answer = answer_to(head, {find, 8443, true});
    require(answer.is_for_service ==
                (head.host == "web.example.com" && answer.token.empty() && !answer.own),
            "what is for a service is answered by nobody else");
    if (!answer.is_for_service)
        check(answer, head.path_and_query);
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    const Pieces pieces{Input(data, size)};
    std::string_view rest = pieces.rest();
    for (HeadSearch search = find_in_pieces(find_request_head, pieces);
         search.is != HeadSearch::Is::incomplete; search = find_request_head(rest, 0)) {
        if (search.is == HeadSearch::Is::wrong) {
            check(answer_to(search.problem), "");
            return 0;
        }
        check_request(rest.substr(0, search.size));
        rest.remove_prefix(search.size);
    }
    return 0;
}
