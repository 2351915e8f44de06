// Which request is for whom.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "common/http/request.hpp"
#include "common/http/response.hpp"

namespace tunnel {

// The paths that there are, each with its methods.
class Router {
public:
    using Handler = std::function<Response(const Request&)>;

    // `path` is as in "/v1/services/{name}": a segment in braces stands for any that is not empty,
    // and the handler finds it in the request. Whoever takes GET takes HEAD too. One path must not
    // be two routes' of the same method.
    void add(Method method, std::string_view path, Handler handler);

    // OPTIONS of this path, which has GET, gets the same answer: some load balancers check so.
    void take_options_as_get(std::string_view path);

    // Who answers it; or why nobody does: 404, 405 with Allow, 501. OPTIONS for the whole server is
    // answered with 204 and Allow, and so it is for "/", which HAProxy asks by default.
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
