// What TLS offers to visitors.
#pragma once

#include <memory>
#include <string_view>

#include "common/security/ticket_keys.hpp"

struct ssl_ctx_st; // OpenSSL's SSL_CTX
struct ssl_st;     // OpenSSL's SSL

namespace tunnel {

// TLS 1.2 and 1.3 for anybody's browser, with nothing in it that is known to be weak, and the
// protocol HTTP/1.1 alone. Without certificates yet. Owned by the caller. Throws std::runtime_error
// or std::bad_alloc.
ssl_ctx_st* make_visitor_context(std::shared_ptr<TicketKeys> tickets);

// A ticket that is made on this connection is good for this name alone, whatever names a
// certificate has. The name is not empty.
void bind_tickets_to(ssl_st* ssl, std::string_view name);

} // namespace tunnel
