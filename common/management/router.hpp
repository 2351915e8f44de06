// Which request is for whom.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "common/management/request.hpp"
#include "common/management/response.hpp"

namespace tunnel {

// The paths that there are, each with its methods.
class Router {
public:
    using Handler = std::function<Response(const Request&)>;

    // `path` is as in "/v1/services/{name}": a segment in braces stands for any that is not empty,
    // and the handler finds it in the request. Whoever takes GET takes HEAD too. One path must not
    // be two routes' of the same method.
    void add(Method method, std::string_view path, Handler handler);

    // Who answers it; or why nobody does: 404, 405 with Allow, 501.
    std::variant<const Handler*, Response> find(const Request& request) const;

private:
    struct Route {
        Method method;
        std::vector<std::string> segments;
        Handler handler;
    };

    std::vector<Route> routes_;
};

} // namespace tunnel
