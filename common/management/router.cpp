#include "common/management/router.hpp"

#include <algorithm>
#include <stdexcept>
#include <utility>

#include "common/management/target.hpp"

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

std::variant<const Router::Handler*, Response> Router::find(const Request& request) const
{
    if (request.method == Method::unknown)
        return refusal(501, "no such method is known here");
    const Method wanted = request.method == Method::head ? Method::get : request.method;
    std::string allowed;
    for (const Route& route : routes_) {
        if (!fits(route.segments, request.segments))
            continue;
        if (route.method == wanted)
            return &route.handler;
        if (!allowed.empty())
            allowed += ", ";
        allowed += name_of(route.method);
    }
    if (allowed.empty())
        return refusal(404, "there is nothing of this path");
    Response response = refusal(405, "this path has " + allowed);
    response.headers.emplace_back("Allow", std::move(allowed));
    return response;
}

} // namespace tunnel
