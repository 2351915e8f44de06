// Which handler answers which request.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "common/http/request.hpp"
#include "common/http/response.hpp"

namespace tunnel {

// The known paths, each with its methods.
class Router {
public:
    using Handler = std::function<Response(const Request&)>;

    // `path` is of the form "/v1/services/{name}": a segment in braces matches any that is not
    // empty, and the handler finds it in the request. GET includes HEAD. Two routes of the same
    // method must not match the same path.
    void add(Method method, std::string_view path, Handler handler);

    // OPTIONS of this path, which has GET, gets the same answer: some load balancers use it for
    // their checks.
    void take_options_as_get(std::string_view path);

    // The handler, or the answer 404, 405 with Allow, or 501. OPTIONS for the whole server gets 204
    // and Allow, and so does OPTIONS for "/", which HAProxy asks by default.
    std::variant<const Handler*, Response> find(const Request& request) const;

private:
    struct Route {
        Method method;
        std::vector<std::string> segments;
        Handler handler;
        bool takes_options = false;
    };

    std::vector<Route> routes_;
};

} // namespace tunnel
