#include "common/security/visitor_handshake.hpp"

#include <cerrno>
#include <new>

#include <openssl/err.h>
#include <openssl/ssl.h>

#include "common/base/asio.hpp"
#include "common/base/error.hpp"
#include "common/security/library_words.hpp"
#include "common/security/visitor_context.hpp"
#include "common/transport/record_socket.hpp"

namespace tunnel {

namespace {

// Two hellos (the second on request, RFC 8446 section 4.1.4) and some small messages: a visitor is
// not asked for a certificate.
constexpr std::size_t most_of_visitor = 2 * RecordGuard::largest_hello + 8 * 1024;

// Between any two messages, in whichever direction.
void watch_handshake(const SSL* ssl, int what, int)
{
    auto* const handshake = static_cast<VisitorHandshake*>(SSL_get_app_data(ssl));
    if (handshake == nullptr)
        return;
    if ((what & SSL_CB_WRITE_ALERT) == SSL_CB_WRITE_ALERT)
        handshake->note_alert();
    handshake->note_version(SSL_version(ssl));
}

} // namespace

VisitorHandshake::VisitorHandshake(ssl_ctx_st* context, int descriptor, std::string_view name)
    : tls_(SSL_new(context))
{
    if (!tls_)
        throw std::bad_alloc();
    BIO* const socket = make_record_socket(descriptor, RecordGuard(most_of_visitor));
    if (socket == nullptr)
        throw std::bad_alloc();
    SSL* const ssl = tls_.get();
    SSL_set_bio(ssl, socket, socket);
    SSL_set_app_data(ssl, this);
    SSL_set_info_callback(ssl, watch_handshake);
    SSL_set_accept_state(ssl);
    bind_tickets_to(ssl, name);
}

VisitorHandshake::Step VisitorHandshake::go_on()
{
    SSL* const ssl = tls_.get();
    ERR_clear_error();
    errno = 0;
    const int result = SSL_do_handshake(ssl);
    const int system = errno;
    const int reason = SSL_get_error(ssl, result);
    switch (reason) {
    case SSL_ERROR_NONE:
        tls_.guard().handshake_done();
        SSL_set_info_callback(ssl, nullptr);
        SSL_set_app_data(ssl, nullptr); // this may go
        return Step::done;
    case SSL_ERROR_WANT_READ:
        return Step::wait_to_read;
    case SSL_ERROR_WANT_WRITE:
        return Step::wait_to_write;
    default:
        note_failure(reason, system);
        return Step::failed;
    }
}

// Until a hello has come it is the newest.
void VisitorHandshake::note_version(int version)
{
    if (version == TLS1_2_VERSION)
        tls_.guard().agreed_on_tls_1_2();
}

void VisitorHandshake::note_failure(int reason, int system)
{
    const unsigned long error = ERR_peek_last_error();
    const std::string_view objection = tls_.guard().objection();
    if (!objection.empty()) {
        error_ = make_error_code(Errc::handshake_failed);
        why_ = objection;
    } else if (reason == SSL_ERROR_SYSCALL && system != 0) {
        error_ = {system, std::system_category()};
    } else if (reason == SSL_ERROR_SYSCALL ||
               ERR_GET_REASON(error) == SSL_R_UNEXPECTED_EOF_WHILE_READING) {
        error_ = asio::error::eof;
    } else {
        error_ = make_error_code(Errc::handshake_failed);
        why_ = words_of(error);
    }
}

} // namespace tunnel
