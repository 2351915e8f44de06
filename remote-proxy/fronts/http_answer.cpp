#include "remote-proxy/fronts/http_answer.hpp"

#include <algorithm>
#include <charconv>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "common/transport/host_name.hpp"

namespace tunnel {

namespace {

constexpr std::string_view challenges = "/.well-known/acme-challenge/";
constexpr std::uint16_t usual_https_port = 443;
constexpr char tls_handshake = 0x16; // RFC 8446 5.1, ContentType

// What a Host header, or the authority of a URL, names.
struct NamedHost {
    enum class Is : std::uint8_t { none, name, address, nonsense };

    Is is = Is::none;
    std::string name{}; // canonical

    friend bool operator==(const NamedHost&, const NamedHost&) = default;
};

// ":", and nothing or a number.
bool is_port(std::string_view text)
{
    if (text.empty() || text == ":")
        return true;
    std::uint16_t port = 0;
    const auto [end, error] = std::from_chars(text.data() + 1, text.data() + text.size(), port);
    return text.front() == ':' && error == std::errc() && end == text.data() + text.size();
}

// Every port is as good as another: a router in front may have changed it.
NamedHost named_host(std::string_view text)
{
    using Is = NamedHost::Is;
    if (text.empty()) // RFC 9112 3.2 wants it like that from whoever has no name
        return {Is::none, {}};
    std::error_code failure;
    if (text.starts_with('[')) {
        const std::size_t end = text.find(']');
        if (end == std::string_view::npos || !is_port(text.substr(end + 1)))
            return {Is::nonsense, {}};
        std::string address(text.substr(1, end - 1));
        asio::ip::make_address_v6(address, failure);
        return {failure ? Is::nonsense : Is::address, failure ? std::string() : std::move(address)};
    }
    const std::size_t colon = std::min(text.find(':'), text.size());
    if (!is_port(text.substr(colon)))
        return {Is::nonsense, {}};
    std::string host(text.substr(0, colon));
    if (auto name = canonical_host_name(host))
        return {Is::name, std::move(*name)};
    asio::ip::make_address_v4(host, failure);
    return {failure ? Is::nonsense : Is::address, failure ? std::string() : std::move(host)};
}

HttpAnswer refused_as(std::uint64_t HttpCounts::*counted_as, unsigned status, std::string why)
{
    HttpAnswer answer;
    answer.response = refusal(status, why);
    answer.counted_as = counted_as;
    answer.why = std::move(why);
    return answer;
}

HttpAnswer unknown_host(const std::string& why)
{
    HttpAnswer answer;
    answer.response = refusal(404, why);
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

bool only_reads(const Request& request)
{
    return request.method == Method::get || request.method == Method::head;
}

// To a request below the path of challenges.
HttpAnswer answer_to_challenge(const Request& request)
{
    if (!only_reads(request)) {
        auto answer = refused_as(&HttpCounts::acme, 405, "an ACME challenge is only read");
        answer.why.clear();
        answer.response.headers.emplace_back("Allow", "GET, HEAD");
        return answer;
    }
    std::string_view token = std::string_view(request.target).substr(challenges.size());
    token = token.substr(0, token.find('?'));
    if (!is_acme_token(token))
        return answer_to(AcmeFile());
    HttpAnswer answer;
    answer.counted_as = &HttpCounts::acme;
    answer.token = token;
    return answer;
}

HttpAnswer redirect(const std::string& host, const Request& request, std::uint16_t port)
{
    HttpAnswer answer;
    answer.counted_as = &HttpCounts::redirected;
    answer.response = refusal(308, "this name is served by https");
    const std::string at = port == usual_https_port ? "" : fmt::format(":{}", port);
    answer.response.headers.emplace_back("Location",
                                         fmt::format("https://{}{}{}", host, at, request.target));
    return answer;
}

} // namespace

HttpAnswer answer_to(const Request& request, const HttpRules& rules)
{
    const NamedHost host = named_host(request.host.value_or(""));
    if (request.host_header && named_host(*request.host_header) != host)
        return bad_request("the Host header names another host than the URL");
    // An authority may ask by an address, or through a redirect from wherever.
    if (rules.has_webroot && request.target.starts_with(challenges))
        return answer_to_challenge(request);
    if (host.is == NamedHost::Is::nonsense)
        return bad_request("the Host header is no host");
    if (request.is_whole_server)
        return bad_request("requests are for a path here");
    if (host.is != NamedHost::Is::name)
        return not_here();
    switch (rules.find(host.name).by) {
    case HostKnown::By::https:
        return redirect(host.name, request, rules.https_port);
    case HostKnown::By::tls:
        return unknown_host(fmt::format("this name speaks TLS only, at port {}", rules.https_port));
    case HostKnown::By::http:
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

HttpAnswer answer_to(const RequestReader::Problem& problem, char first)
{
    if (first == tls_handshake)
        return bad_request("this port speaks HTTP, not TLS");
    return refused_as(&HttpCounts::bad_request, problem.status, problem.text);
}

HttpAnswer answer_to_timeout()
{
    return refused_as(&HttpCounts::timeout, 408, "the request did not come in time");
}

} // namespace tunnel
