// The accepting end of one TLS handshake with a visitor.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <system_error>

#include "common/transport/tls.hpp"

struct ssl_ctx_st; // OpenSSL's SSL_CTX

namespace tunnel {

// It never waits. The bytes and records that a visitor may send are bounded, see RecordGuard.
class VisitorHandshake {
public:
    enum class Step : std::uint8_t {
        done,
        wait_to_read, // go on when the socket is readable
        wait_to_write,
        failed,
    };

    // With a context of make_visitor_context(). The session tickets that are made are good for
    // `name` alone. Throws std::bad_alloc.
    VisitorHandshake(ssl_ctx_st* context, int descriptor, std::string_view name);

    VisitorHandshake(const VisitorHandshake&) = delete; // the library knows where it is
    VisitorHandshake& operator=(const VisitorHandshake&) = delete;

    // As far as the bytes that have come let it. After `done` all is sent that belongs to it, the
    // tickets too.
    Step go_on();

    // After `done`.
    Tls take() { return std::move(tls_); }

    // After `failed`. eof: the visitor has left.
    std::error_code error() const { return error_; }

    // What is known beside that, for people.
    const std::string& why() const { return why_; }

    // The visitor has been told by an alert.
    bool has_alerted() const { return has_alerted_; }

    // For the library's callback.
    void note_alert() { has_alerted_ = true; }

    void note_version(int version);

private:
    void note_failure(int reason, int system);

    Tls tls_;
    std::error_code error_;
    std::string why_;
    bool has_alerted_ = false;
};

} // namespace tunnel
