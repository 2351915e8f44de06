// What is answered at the HTTP address: pure, without sockets or files.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "common/http/request_head.hpp"
#include "common/http/response.hpp"
#include "remote-proxy/fronts/acme_file.hpp"
#include "remote-proxy/fronts/http_counts.hpp"
#include "remote-proxy/http/own_answer.hpp"

namespace tunnel {

// What a host name belongs to.
struct HostKnown {
    enum class By : std::uint8_t {
        nobody,
        https, // TLS ends at the remote proxy
        tls,   // TLS ends at the origin server, which may speak any protocol inside
        http   // the remote proxy passes requests on
    };

    By by = By::nobody;
};

// `host` is canonical (common/transport/host_name.hpp).
using FindHost = std::function<HostKnown(std::string_view host)>;

// What answers depend on beside the request.
struct HttpRules {
    const FindHost& find;
    std::uint16_t https_port = 443; // as visitors reach it; for opaque names too
    bool has_webroot = false;       // ACME challenges are answered here
};

struct HttpAnswer {
    bool is_for_service = false;    // nothing is answered here
    std::optional<OwnAnswer> own{}; // a page is to be made of it
    Response response{};            // else; with a page only its headers count
    std::uint64_t HttpCounts::*counted_as = &HttpCounts::unknown_host;
    std::string token{}; // not empty: no response yet, it depends on the file of this ACME token
    std::string why{};   // not empty: for the log, without a byte of the visitor's
};

// To a request of which the head was read. The URL of a
// redirect has the canonical name that was found, and path and query as they came.
HttpAnswer answer_to(const RequestHead& head, const HttpRules& rules);

// To one with a token, once the file was looked for.
HttpAnswer answer_to(const AcmeFile& file);

// To what is no request.
HttpAnswer answer_to(const MessageProblem& problem);

// To a head that did not become whole in time.
HttpAnswer answer_to_timeout();

} // namespace tunnel
