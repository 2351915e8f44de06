#include "common/security/blocking_handshake.hpp"

#include <algorithm>
#include <cerrno>
#include <new>
#include <system_error>

#include <fcntl.h>
#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>

#include "common/base/asio.hpp"
#include "common/base/units.hpp"
#include "common/security/certificate_host.hpp"
#include "common/security/library_words.hpp"
#include "common/transport/record_socket.hpp"

namespace tunnel {

namespace {

constexpr std::size_t most_of_peer = 2 * RecordGuard::largest_hello + 8 * 1024 +
                                     static_cast<std::size_t>(TlsContext::largest_certificates);

void expect_host(SSL* ssl, const std::string& host)
{
    const std::string name = certificate_host(host);
    std::error_code is_name;
    asio::ip::make_address(name, is_name);
    if (is_name) {
        SSL_set_tlsext_host_name(ssl, name.c_str());
        SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
        SSL_set1_host(ssl, name.c_str());
    } else {
        X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), name.c_str());
    }
}

std::string words_of_verification(long result, const std::string& host)
{
    switch (result) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
        return "shows a certificate that has expired: renew it and send the program a SIGHUP";
    case X509_V_ERR_CERT_NOT_YET_VALID:
        return "shows a certificate that is not valid yet: is the clock right here?";
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
        return fmt::format("shows a certificate that is not for {}: ask by a name or address that "
                           "is in it",
                           host);
    default:
        break;
    }
    if (host.empty())
        return "shows another certificate than the one in --management-tls-cert: if that was "
               "renewed, send the program a SIGHUP, or else give the authority by --ca";
    return fmt::format("shows a certificate that is not trusted here ({}): give its authority by "
                       "--ca",
                       X509_verify_cert_error_string(result));
}

[[noreturn]] void fail(SSL* ssl, int reason, const std::string& host)
{
    const int system = errno;
    const unsigned long error = ERR_peek_last_error();
    const int why = ERR_GET_REASON(ERR_peek_error());
    const bool ended = reason == SSL_ERROR_SYSCALL || why == SSL_R_UNEXPECTED_EOF_WHILE_READING;
    if (ended && system != 0 && system != ECONNRESET)
        throw std::system_error(system, std::system_category());
    if (ended)
        throw std::runtime_error("ended the connection in the middle of the TLS handshake: does it "
                                 "answer over HTTPS?");
    const long verified = SSL_get_verify_result(ssl);
    if (why == SSL_R_CERTIFICATE_VERIFY_FAILED && verified != X509_V_OK)
        throw std::runtime_error(words_of_verification(verified, host));
    if (why == SSL_R_WRONG_VERSION_NUMBER || why == SSL_R_PACKET_LENGTH_TOO_LONG)
        throw std::runtime_error("does not answer over HTTPS: ask without --https, --ca and "
                                 "--cert, or is it the address of another program?");
    throw std::runtime_error("refuses the TLS handshake: " + words_of(error));
}

} // namespace

bool wait_until_ready(int descriptor, bool to_write, Clock::time_point limit)
{
    const auto left = std::chrono::ceil<milliseconds>(limit - Clock::now());
    pollfd waits{descriptor, static_cast<short>(to_write ? POLLOUT : POLLIN), 0};
    const int found =
        left.count() <= 0
            ? 0
            : ::poll(&waits, 1, static_cast<int>(std::min<long>(left.count(), 60'000)));
    if (found == 0)
        errno = ETIMEDOUT;
    return found > 0 || (found < 0 && errno == EINTR);
}

Tls shake_hands(const TlsContext& context, int descriptor, const std::string& host,
                Clock::time_point limit)
{
    ::fcntl(descriptor, F_SETFL, ::fcntl(descriptor, F_GETFL) | O_NONBLOCK);
    Tls tls(SSL_new(context.get()));
    BIO* const socket = make_record_socket(descriptor, RecordGuard(most_of_peer));
    if (!tls || socket == nullptr) {
        BIO_free(socket);
        throw std::bad_alloc();
    }
    SSL* const ssl = tls.get();
    SSL_set_bio(ssl, socket, socket);
    SSL_set_connect_state(ssl);
    if (!host.empty())
        expect_host(ssl, host);
    for (;;) {
        ERR_clear_error();
        errno = 0;
        const int result = SSL_do_handshake(ssl);
        const int reason = SSL_get_error(ssl, result);
        if (result == 1)
            break;
        if (reason != SSL_ERROR_WANT_READ && reason != SSL_ERROR_WANT_WRITE)
            fail(ssl, reason, host);
        if (!wait_until_ready(descriptor, reason == SSL_ERROR_WANT_WRITE, limit))
            throw std::system_error(errno, std::system_category());
    }
    tls.guard().handshake_done();
    return tls;
}

} // namespace tunnel
