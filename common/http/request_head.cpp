#include "common/http/request_head.hpp"

#include <algorithm>
#include <optional>
#include <utility>

#include "common/http/field_names.hpp"
#include "common/http/framing.hpp"
#include "common/http/head_parser.hpp"
#include "common/http/host_text.hpp"

namespace tunnel {

namespace {

constexpr std::size_t longest_host_text = 260;
constexpr std::string_view empty_line = "\r\n";

// What a head is read into before all of it is known.
struct Reading {
    RequestHead head{};
    BodyFraming framing{};
    std::optional<std::string_view> host_field{};
    std::optional<std::string_view> authority{};
    std::uint16_t usual_port = 80; // of the scheme, of a whole URL
    bool has_upgrade = false;
    bool offers_http_2 = false;
    bool has_expectation = false;
    std::size_t authorizations = 0;
    MessageProblem problem{};
};

bool fail(Reading& reading, unsigned status, const char* why)
{
    reading.problem = {status, why};
    return false;
}

// As `Upgrade` has them.
bool is_http_2(std::string_view protocol)
{
    return same_word(protocol.substr(0, 2), "h2") || same_word(protocol.substr(0, 5), "http/");
}

bool take_field(Reading& reading, const HeaderField& field)
{
    const KnownName known = known_name(field.name);
    RequestHead& head = reading.head;
    switch (known.field) {
    case KnownField::host:
        if (reading.host_field)
            return fail(reading, 400, "one Host header is expected");
        reading.host_field = field.value;
        return true;
    case KnownField::authorization:
        if (++reading.authorizations > 1)
            return fail(reading, 400, "the Authorization header is there twice");
        head.authorization = field.value;
        return true;
    case KnownField::expect:
        if (!same_word(field.value, "100-continue"))
            return fail(reading, 417, "only 100-continue can be expected");
        reading.has_expectation = true;
        return true;
    case KnownField::upgrade:
        for (std::string_view list = field.value; !list.empty();) {
            const std::string_view protocol = take_member(list);
            reading.has_upgrade = reading.has_upgrade || !protocol.empty();
            reading.offers_http_2 = reading.offers_http_2 || is_http_2(protocol);
        }
        return true;
    default:
        return reading.framing.take(known, field.value) ||
               fail(reading, 400, reading.framing.objection());
    }
}

// How long the scheme of a whole URL is, with what follows it; 0: it is none of http or https.
std::size_t size_of_scheme(std::string_view target)
{
    for (const std::string_view scheme : {"https://", "http://"}) {
        if (same_word(target.substr(0, scheme.size()), scheme))
            return scheme.size();
    }
    return 0;
}

// RFC 9112 3.2. What must be encoded in it is no part of it.
bool take_target(Reading& reading)
{
    RequestHead& head = reading.head;
    const auto is_wrong = [&reading] {
        return fail(reading, 400, "the target of a request is a path, such as /ping");
    };
    if (head.target.find('#') != std::string_view::npos)
        return is_wrong();
    const bool is_options = head.method == "OPTIONS";
    head.path_and_query = head.target;
    if (head.target.starts_with('/') || (head.target == "*" && is_options))
        return true;
    const std::size_t size = size_of_scheme(head.target);
    if (size == 0)
        return is_wrong();
    const std::string_view rest = head.target.substr(size);
    const std::size_t end = std::min(rest.find_first_of("/?"), rest.size());
    reading.authority = rest.substr(0, end);
    reading.usual_port = size == std::string_view("https://").size() ? 443 : 80;
    head.path_and_query = end < rest.size() ? rest.substr(end) : is_options ? "*" : "/";
    // Of a URL without a path, but with a query, there is no view that begins with "/".
    if (reading.authority->empty() || head.path_and_query.starts_with('?'))
        return is_wrong();
    return true;
}

// Whether a Host header and the authority of a whole URL name the same.
bool agree(HostText one, HostText other, std::uint16_t usual_port)
{
    for (HostText* const each : {&one, &other}) {
        if (each->port == 0)
            each->port = usual_port;
    }
    return one == other;
}

bool take_host(Reading& reading)
{
    RequestHead& head = reading.head;
    if (!reading.host_field && !head.is_http_1_0)
        return fail(reading, 400, "one Host header is expected");
    head.host_text = reading.authority ? *reading.authority : reading.host_field.value_or("");
    auto host =
        head.host_text.size() <= longest_host_text ? parse_host_text(head.host_text) : std::nullopt;
    if (!host)
        return fail(reading, 400, "the host of the request is none");
    if (reading.authority && reading.host_field) {
        const auto other = parse_host_text(*reading.host_field);
        if (!other || !agree(*host, *other, reading.usual_port))
            return fail(reading, 400, "the Host header names another host than the URL");
    }
    head.host = std::move(host->name);
    return true;
}

// What the method means, and what follows from all fields together.
bool conclude(Reading& reading)
{
    RequestHead& head = reading.head;
    if (!reading.framing.finish(head.is_http_1_0))
        return fail(reading, 400, reading.framing.objection());
    head.body = reading.framing.body();
    head.is_head = head.method == "HEAD";
    head.is_safe =
        head.is_head || head.method == "GET" || head.method == "OPTIONS" || head.method == "TRACE";
    head.keep_alive =
        !reading.framing.says_close() && (!head.is_http_1_0 || reading.framing.says_keep_alive());
    const bool has_body = head.body.is == BodySize::Is::chunked || head.body.length > 0;
    head.expects_continue = reading.has_expectation && has_body && !head.is_http_1_0;
    head.wants_upgrade = reading.has_upgrade && reading.framing.says_upgrade() &&
                         !reading.offers_http_2 && !has_body && !head.is_http_1_0;
    return true;
}

bool read_head(Reading& reading)
{
    RequestHead& head = reading.head;
    if (head.method == "CONNECT")
        return fail(reading, 405, "CONNECT is not for servers");
    for (const HeaderField& field : head.fields) {
        if (!take_field(reading, field))
            return false;
    }
    return take_target(reading) && take_host(reading) && conclude(reading);
}

} // namespace

std::variant<RequestHead, MessageProblem> parse_request_head(std::string_view head)
{
    HeadSearch search = find_request_head(head, 0);
    if (search.is == HeadSearch::Is::wrong)
        return std::move(search.problem);
    if (search.is != HeadSearch::Is::whole || search.size != head.size())
        return MessageProblem{400, "this is no whole head"};
    while (head.starts_with(empty_line))
        head.remove_prefix(empty_line.size());
    HeadLines lines;
    if (auto problem = split_request_head(head, lines))
        return std::move(*problem);
    Reading reading;
    reading.head.method = lines.method;
    reading.head.target = lines.target;
    reading.head.is_http_1_0 = lines.is_http_1_0;
    reading.head.fields = std::move(lines.fields);
    if (!read_head(reading))
        return std::move(reading.problem);
    return std::move(reading.head);
}

std::string_view value_of(const RequestHead& head, std::string_view name)
{
    const auto found = std::ranges::find_if(
        head.fields, [name](const HeaderField& field) { return same_word(field.name, name); });
    return found == head.fields.end() ? std::string_view() : found->value;
}

} // namespace tunnel
