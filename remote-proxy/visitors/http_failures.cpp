#include "remote-proxy/visitors/http_failures.hpp"

using namespace std::chrono_literals;

namespace tunnel {

OwnAnswer answer_to(const Reason& why)
{
    constexpr auto soon = 5s;
    switch (why.code) {
    case Code::host_not_found:
    case Code::origin_server_refused:
    case Code::origin_server_unreachable:
    case Code::origin_server_failed:
    case Code::no_such_service:
        return {502, Code::origin_server_refused, "the server behind this name cannot be reached"};
    case Code::origin_server_timeout:
        return {504, Code::timeout, "the server behind this name does not answer"};
    case Code::late:
    case Code::service_closed:
        return {503, Code::no_origin_proxy, "nobody serves this name at the moment", soon};
    case Code::no_room:
    case Code::no_descriptors:
    case Code::too_many:
        return {503, Code::no_room, "too many requests are waiting", soon};
    case Code::shutting_down:
        return {503, Code::no_origin_proxy, "the service restarts", soon};
    default:
        return {502, Code::origin_broken, "the connection to the server behind this name broke"};
    }
}

} // namespace tunnel
