#include "common/management/router.hpp"

#include <algorithm>
#include <stdexcept>
#include <utility>

#include "common/http/target.hpp"

namespace tunnel {

namespace {

std::string_view name_of(Method method)
{
    switch (method) {
    case Method::get:
        return "GET, HEAD";
    case Method::head:
        return "HEAD";
    case Method::post:
        return "POST";
    case Method::put:
        return "PUT";
    case Method::patch:
        return "PATCH";
    case Method::remove:
        return "DELETE";
    case Method::options:
        return "OPTIONS";
    case Method::trace:
        return "TRACE";
    case Method::unknown:
        break;
    }
    return "";
}

// To OPTIONS for the server as a whole.
Response all_methods()
{
    Response response;
    response.status = 204;
    response.headers.emplace_back("Allow", "GET, HEAD, POST, PUT, OPTIONS");
    return response;
}

bool is_any(std::string_view segment)
{
    return segment.starts_with('{') && segment.ends_with('}');
}

bool fits(const std::vector<std::string>& pattern, const std::vector<std::string>& segments)
{
    return std::ranges::equal(pattern, segments,
                              [](std::string_view expected, std::string_view segment) {
                                  return is_any(expected) ? !segment.empty() : expected == segment;
                              });
}

} // namespace

void Router::add(Method method, std::string_view path, Handler handler)
{
    auto target = parse_target(path);
    if (!target)
        throw std::logic_error("no path: " + std::string(path));
    routes_.push_back({method, std::move(target->segments), std::move(handler)});
}

void Router::take_options_as_get(std::string_view path)
{
    const auto target = parse_target(path);
    for (Route& route : routes_) {
        if (target && route.method == Method::get && route.segments == target->segments)
            route.takes_options = true;
    }
}

std::variant<const Router::Handler*, Response> Router::find(const Request& request) const
{
    if (request.method == Method::unknown)
        return refusal(501, "no such method is known here");
    const bool is_root = request.segments.size() == 1 && request.segments.front().empty();
    if (request.method == Method::options && (request.is_whole_server || is_root))
        return all_methods();
    const Method wanted = request.method == Method::head ? Method::get : request.method;
    std::string allowed;
    for (const Route& route : routes_) {
        if (!fits(route.segments, request.segments))
            continue;
        if (route.method == wanted || (route.takes_options && wanted == Method::options))
            return &route.handler;
        if (!allowed.empty())
            allowed += ", ";
        allowed += name_of(route.method);
        if (route.takes_options)
            allowed += ", OPTIONS";
    }
    if (allowed.empty())
        return refusal(404, "there is nothing of this path");
    Response response = refusal(405, "this path has " + allowed);
    response.headers.emplace_back("Allow", std::move(allowed));
    return response;
}

} // namespace tunnel
