#include "tests/bench/connection.hpp"

#include <algorithm>
#include <cerrno>
#include <climits>
#include <openssl/err.h>
#include <stdexcept>
#include <sys/socket.h>
#include <utility>

#include "tests/bench/hello.hpp"

namespace bench {
namespace {

constexpr std::size_t read_buffer = 64 * 1024; // a few records for each recv()

TlsContext tls_context(const SSL_METHOD* method)
{
    TlsContext context(SSL_CTX_new(method));
    if (!context || SSL_CTX_set_min_proto_version(context.get(), TLS1_3_VERSION) != 1 ||
        SSL_CTX_set_ciphersuites(context.get(), "TLS_AES_128_GCM_SHA256") != 1 ||
        SSL_CTX_set1_groups_list(context.get(), "X25519") != 1)
        throw std::runtime_error("no TLS 1.3");
    SSL_CTX_set_mode(context.get(),
                     SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    // What is complete is known by its bytes.
    SSL_CTX_set_options(context.get(), SSL_OP_IGNORE_UNEXPECTED_EOF);
    SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_OFF);
    SSL_CTX_set_read_ahead(context.get(), 1);
    SSL_CTX_set_default_read_buffer_len(context.get(), read_buffer);
    return context;
}

int at_most_int(std::size_t size)
{
    return static_cast<int>(std::min<std::size_t>(size, INT_MAX));
}

} // namespace

TlsContext client_tls()
{
    return tls_context(TLS_client_method());
}

TlsContext server_tls(const std::string& certificate)
{
    TlsContext context = tls_context(TLS_server_method());
    if (SSL_CTX_use_certificate_chain_file(context.get(), certificate.c_str()) != 1 ||
        SSL_CTX_use_PrivateKey_file(context.get(), certificate.c_str(), SSL_FILETYPE_PEM) != 1)
        throw std::runtime_error(certificate + ": no certificate with its key");
    return context;
}

Connection& Connection::operator=(Connection other) noexcept
{
    std::swap(socket_, other.socket_);
    std::swap(tls_, other.tls_);
    return *this;
}

bool Connection::become_client(SSL_CTX& context)
{
    if (!start_tls(context) || SSL_set_tlsext_host_name(tls_.get(), host_name) != 1)
        return false;
    SSL_set_connect_state(tls_.get());
    return true;
}

bool Connection::become_server(SSL_CTX& context, std::string_view received)
{
    if (!start_tls(context))
        return false;
    SSL_set_accept_state(tls_.get());
    BIO* hello = BIO_new_mem_buf(received.data(), at_most_int(received.size()));
    if (!hello)
        return false;
    BIO_set_mem_eof_return(hello, -1); // more is to come
    BIO* socket = SSL_get_rbio(tls_.get());
    BIO_up_ref(socket);
    SSL_set0_rbio(tls_.get(), hello);
    const int result = SSL_do_handshake(tls_.get()); // takes all of it, as it reads ahead
    const bool waits = SSL_get_error(tls_.get(), result) == SSL_ERROR_WANT_READ;
    ERR_clear_error();
    SSL_set0_rbio(tls_.get(), socket);
    return waits;
}

bool Connection::start_tls(SSL_CTX& context)
{
    tls_.reset(SSL_new(&context));
    return tls_ && SSL_set_fd(tls_.get(), socket_.get()) == 1;
}

ssize_t Connection::send(std::span<const char> bytes)
{
    if (!tls_)
        return ::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    errno = 0;
    return outcome(SSL_write(tls_.get(), bytes.data(), at_most_int(bytes.size())));
}

ssize_t Connection::receive(std::span<char> bytes)
{
    if (!tls_)
        return ::recv(socket_.get(), bytes.data(), bytes.size(), 0);
    errno = 0;
    return outcome(SSL_read(tls_.get(), bytes.data(), at_most_int(bytes.size())));
}

ssize_t Connection::outcome(int result)
{
    if (result > 0)
        return result;
    const int system_error = errno;
    const int error = SSL_get_error(tls_.get(), result);
    ERR_clear_error(); // the next call, maybe of another connection, must not find it
    if (error == SSL_ERROR_ZERO_RETURN || (error == SSL_ERROR_SYSCALL && system_error == 0))
        return 0;
    if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE)
        errno = EAGAIN;
    else
        errno = error == SSL_ERROR_SYSCALL ? system_error : EPROTO;
    return -1;
}

bool Connection::take_byte_if_ready()
{
    char byte = 0;
    if (!tls_)
        return ::recv(socket_.get(), &byte, 1, MSG_DONTWAIT) >= 0;
    if (!may_hold_more() && ::recv(socket_.get(), &byte, 1, MSG_DONTWAIT | MSG_PEEK) < 0)
        return false;
    receive({&byte, 1}); // waits at most for the rest of its record
    return true;
}

bool Connection::send_all(std::span<const char> bytes)
{
    while (!bytes.empty()) {
        const ssize_t sent = send(bytes);
        if (sent <= 0)
            return false;
        bytes = bytes.subspan(static_cast<std::size_t>(sent));
    }
    return true;
}

bool Connection::receive_all(std::span<char> bytes)
{
    while (!bytes.empty()) {
        const ssize_t received = receive(bytes);
        if (received == 0)
            errno = 0;
        if (received <= 0)
            return false;
        bytes = bytes.subspan(static_cast<std::size_t>(received));
    }
    return true;
}

void Connection::EndTls::operator()(SSL* tls) const
{
    if (SSL_is_init_finished(tls) == 1)
        SSL_shutdown(tls);
    ERR_clear_error();
    SSL_free(tls);
}

} // namespace bench
