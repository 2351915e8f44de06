#include "remote-proxy/fronts/http_answer.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "remote-proxy/http/http_exchange.hpp"

namespace tunnel {

namespace {

constexpr std::uint16_t usual_https_port = 443;

HttpAnswer refused_as(std::uint64_t HttpCounts::*counted_as, unsigned status, std::string why)
{
    HttpAnswer answer;
    const Code code = status == 408 ? Code::timeout : Code::bad_request;
    answer.own = OwnAnswer{status, code, why};
    answer.counted_as = counted_as;
    answer.why = std::move(why);
    return answer;
}

HttpAnswer unknown_host(const std::string& why)
{
    HttpAnswer answer;
    answer.own = OwnAnswer{404, Code::unknown_host, why};
    return answer;
}

HttpAnswer not_here()
{
    return unknown_host("no server has this name here");
}

HttpAnswer bad_request(std::string why)
{
    return refused_as(&HttpCounts::bad_request, 400, std::move(why));
}

bool only_reads(const RequestHead& request)
{
    return request.method == "GET" || request.method == "HEAD";
}

// To a request below the path of challenges.
HttpAnswer answer_to_challenge(const RequestHead& request)
{
    if (!only_reads(request)) {
        auto answer = refused_as(&HttpCounts::acme, 405, "an ACME challenge is only read");
        answer.why.clear();
        answer.response.headers.emplace_back("Allow", "GET, HEAD");
        return answer;
    }
    std::string_view token = request.path_and_query.substr(acme_challenges.size());
    token = token.substr(0, token.find('?'));
    if (!is_acme_token(token))
        return answer_to(AcmeFile());
    HttpAnswer answer;
    answer.counted_as = &HttpCounts::acme;
    answer.token = token;
    return answer;
}

// What a Location can say (RFC 3986): all else has to be encoded.
bool is_ascii(std::string_view target)
{
    return std::ranges::all_of(target, [](char c) { return c > ' ' && c < '\x7f'; });
}

HttpAnswer redirect(const std::string& host, const RequestHead& request, std::uint16_t port)
{
    HttpAnswer answer;
    answer.counted_as = &HttpCounts::redirected;
    answer.response = refusal(308, "this name is served by https");
    const std::string at = port == usual_https_port ? "" : fmt::format(":{}", port);
    answer.response.headers.emplace_back(
        "Location", fmt::format("https://{}{}{}", host, at, request.path_and_query));
    return answer;
}

} // namespace

HttpAnswer answer_to(const RequestHead& request, const HttpRules& rules)
{
    // An authority may ask by an address, or through a redirect from wherever.
    if (rules.has_webroot && request.path_and_query.starts_with(acme_challenges))
        return answer_to_challenge(request);
    switch (rules.find(request.host).by) {
    case HostKnown::By::https:
        if (request.host.empty()) // there is nowhere to send it
            return not_here();
        if (request.path_and_query == "*" || !is_ascii(request.path_and_query))
            return bad_request("requests are for a path here");
        return redirect(request.host, request, rules.https_port);
    case HostKnown::By::tls:
        return unknown_host(fmt::format("this name speaks TLS only, at port {}", rules.https_port));
    case HostKnown::By::http: {
        HttpAnswer answer;
        answer.is_for_service = true;
        return answer;
    }
    case HostKnown::By::nobody:
        break;
    }
    return not_here();
}

HttpAnswer answer_to(const AcmeFile& file)
{
    if (file.is == AcmeFile::Is::there) {
        HttpAnswer answer;
        answer.counted_as = &HttpCounts::acme;
        answer.response.body = file.content;
        answer.response.content_type = "application/octet-stream"; // RFC 8555 8.3
        return answer;
    }
    auto answer = file.is == AcmeFile::Is::not_now
                      ? refused_as(&HttpCounts::acme, 503, "try again in a moment")
                      : refused_as(&HttpCounts::acme, 404, "there is no such ACME challenge");
    answer.why = file.why.empty()
                     ? ""
                     : fmt::format("the file of an ACME challenge is not read: {}", file.why);
    return answer;
}

HttpAnswer answer_to(const MessageProblem& problem)
{
    return refused_as(&HttpCounts::bad_request, problem.status, problem.text);
}

HttpAnswer answer_to_timeout()
{
    return refused_as(&HttpCounts::timeout, 408, "the request did not come in time");
}

} // namespace tunnel
