#include "common/management/router.hpp"

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
    case Method::unknown:
        break;
    }
    return "";
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
        if (route.segments != request.segments)
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
