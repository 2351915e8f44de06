#include "common/http/response_head.hpp"

#include <utility>

#include "common/http/field_names.hpp"
#include "common/http/framing.hpp"
#include "common/http/head_parser.hpp"

namespace tunnel {

namespace {

constexpr unsigned bad_gateway = 502;

// Whether a challenge among these, or the only one, is about the connection (RFC 4559).
bool binds_connection(std::string_view challenges)
{
    while (!challenges.empty()) {
        const std::string_view challenge = take_member(challenges);
        const std::string_view scheme = challenge.substr(0, challenge.find(' '));
        if (same_word(scheme, "Negotiate") || same_word(scheme, "NTLM"))
            return true;
    }
    return false;
}

// RFC 9112 6.3. Some servers send a length or a coding with 204, where neither may be, and no body.
BodySize body_of(const ResponseHead& head, const BodyFraming& framing, bool to_head_request)
{
    if (to_head_request || head.status < 200 || head.status == 204 || head.status == 304)
        return {};
    return framing.body().is == BodySize::Is::none ? BodySize{BodySize::Is::until_end, 0}
                                                   : framing.body();
}

} // namespace

std::variant<ResponseHead, MessageProblem> parse_response_head(std::string_view head,
                                                               bool to_head_request)
{
    HeadSearch search = find_response_head(head, 0);
    if (search.is == HeadSearch::Is::wrong)
        return std::move(search.problem);
    if (search.is != HeadSearch::Is::whole || search.size != head.size())
        return MessageProblem{bad_gateway, "this is no whole head"};
    HeadLines lines;
    if (auto problem = split_response_head(head, lines))
        return std::move(*problem);
    if (lines.status < 100)
        return MessageProblem{bad_gateway, "this is no answer of HTTP/1.1"};
    ResponseHead response;
    BodyFraming framing;
    for (const HeaderField& field : lines.fields) {
        const KnownName known = known_name(field.name);
        if (!framing.take(known, field.value))
            return MessageProblem{bad_gateway, framing.objection()};
        if (known.field == KnownField::www_authenticate ||
            known.field == KnownField::proxy_authenticate)
            response.is_connection_bound =
                response.is_connection_bound || binds_connection(field.value);
    }
    if (!framing.finish(lines.is_http_1_0))
        return MessageProblem{bad_gateway, framing.objection()};
    response.status = lines.status;
    response.reason = lines.reason;
    response.is_http_1_0 = lines.is_http_1_0;
    response.is_upgrade = lines.status == 101;
    response.is_interim = lines.status < 200 && !response.is_upgrade;
    response.body = body_of(response, framing, to_head_request);
    // After a 204 that tells of a body, a server may send one all the same.
    const bool is_doubtful = lines.status == 204 && framing.body().is != BodySize::Is::none &&
                             framing.body() != BodySize{BodySize::Is::length, 0};
    response.keep_alive = !framing.says_close() && !is_doubtful &&
                          (!lines.is_http_1_0 || framing.says_keep_alive()) &&
                          response.body.is != BodySize::Is::until_end;
    response.fields = std::move(lines.fields);
    return response;
}

} // namespace tunnel
