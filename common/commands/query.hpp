// Asks a management interface: one request, on a connection of its own. Blocks; for commands only.
#pragma once

#include <cstddef>
#include <stdexcept>
#include <string>
#include <string_view>

#include "common/base/units.hpp"
#include "common/http/response_reader.hpp"
#include "common/options/management_options.hpp"
#include "common/security/tls_context.hpp"

namespace tunnel {

struct Query {
    std::string target;       // such as "/v1/status"
    bool is_change = false;   // POST instead of GET
    std::string_view token{}; // empty: none is sent
    // Over HTTPS; null: not. The certificate must be for `host`, or, if that is empty, the one that
    // the context knows.
    const TlsContext* tls = nullptr;
    std::string host{};
};

struct QueryLimits {
    milliseconds connect = std::chrono::seconds(3);
    milliseconds write = std::chrono::seconds(3);
    milliseconds answer = std::chrono::seconds(5); // until all of it is there
    std::size_t longest_body = 16 * 1024 * 1024;   // a thousand services of many origin proxies
};

// Why there is no answer and what to do about it, on one printable line.
struct QueryError : std::runtime_error {
    using std::runtime_error::runtime_error;
};

// Throws QueryError, which never contains the token. If the program listens on all interfaces, a
// loopback address is used.
Answer query(const ManagementAddress& where, const Query& query, const QueryLimits& limits = {});

} // namespace tunnel
