#include "common/transport/tls.hpp"

#include <algorithm>
#include <array>
#include <cerrno>

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/socket.h>

#include "common/base/error.hpp"
#include "common/transport/record_socket.hpp"

namespace tunnel {

namespace {

// AES-GCM is good for 2^24.5 records under one key (RFC 8446, section 5.5), which is 388 GiB in
// full ones, and much less in small ones: so those are counted as larger than they are.
constexpr std::uint64_t most_under_key = 64ULL * 1024 * 1024 * 1024;
constexpr std::uint64_t least_counted = 4096;

// What a peer tells that does not take our certificate, RFC 8446 section 6.2.
bool refuses_certificate(int why)
{
    switch (why) {
    case SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED:
    case SSL_R_SSLV3_ALERT_BAD_CERTIFICATE:
    case SSL_R_SSLV3_ALERT_UNSUPPORTED_CERTIFICATE:
    case SSL_R_SSLV3_ALERT_CERTIFICATE_REVOKED:
    case SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED:
    case SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN:
    case SSL_R_TLSV1_ALERT_UNKNOWN_CA:
    case SSL_R_TLSV1_ALERT_ACCESS_DENIED:
        return true;
    default:
        return false;
    }
}

constexpr std::size_t largest_record = SSL3_RT_MAX_ENCRYPTED_LENGTH + SSL3_RT_HEADER_LENGTH;
constexpr std::size_t most_ahead = 128 * 1024;
// Of a peer whose records are small: each takes time of its own, and all that is read ahead is
// decrypted in one call.
constexpr std::size_t most_small_ahead = 20 * 1024;
constexpr std::size_t large_record = 1024;
constexpr std::size_t least_ahead = 4096; // less saves no calls

// A small record takes as long as so many bytes more of a large one.
constexpr std::uint64_t bytes_for_record = 2048;

} // namespace

void Tls::Free::operator()(ssl_st* ssl) const
{
    SSL_free(ssl);
}

ssize_t Tls::receive(std::span<std::byte> room)
{
    static thread_local std::array<std::byte, most_ahead> buffer;
    // What lies in `buffer` has to fit the room, and so has the record of which a part came before.
    RecordSocket& socket = records();
    const std::size_t most = socket.large_records ? most_ahead : most_small_ahead;
    const std::size_t ahead =
        room.size() > largest_record ? std::min(room.size() - largest_record, most) : 0;
    if (ahead < least_ahead) {
        socket.drained = false;
        return read(room);
    }
    const RecordGuard& seen = socket.guard;
    for (;;) {
        RecordBatch batch({buffer.data(), ahead});
        const std::uint64_t bytes = seen.bytes();
        const std::uint64_t records = seen.records();
        std::size_t filled = 0;
        ssize_t size = 0;
        while (filled < room.size() && (size = read(room.subspan(filled))) > 0)
            filled += static_cast<std::size_t>(size);
        socket.large_records = seen.bytes() - bytes >= (seen.records() - records) * large_record;
        // Unless something is wrong, which the next call has to say.
        socket.drained = batch.drained() && size < 0 && errno == EAGAIN;
        if (filled > 0)
            return static_cast<ssize_t>(filled);
        // A part of a record has come. More may be there, or the end of the TCP stream, for which
        // the socket does not become ready once more.
        if (size == 0 || errno != EAGAIN || batch.empty())
            return size;
    }
}

// One record at most.
ssize_t Tls::read(std::span<std::byte> room)
{
    // The library keeps errors in a queue of each thread, and an old one would be taken for ours.
    ERR_clear_error();
    errno = 0;
    std::size_t size = 0;
    const int result = SSL_read_ex(ssl_.get(), room.data(), room.size(), &size);
    if (result != 1)
        return failed(result);
    guard().data_came();
    return static_cast<ssize_t>(size);
}

// The library would make one system call for each record, and stop after each.
ssize_t Tls::send(std::span<const std::byte> bytes)
{
    if (records().sent_under_key >= most_under_key)
        update_keys();
    std::size_t sent = 0;
    while (sent < bytes.size()) {
        const std::span<const std::byte> rest = bytes.subspan(sent);
        const RecordBatch batch(rest.size() > SSL3_RT_MAX_PLAIN_LENGTH);
        ERR_clear_error();
        errno = 0;
        std::size_t size = 0;
        const int result = SSL_write_ex(ssl_.get(), rest.data(), rest.size(), &size);
        if (result != 1) {
            if (sent > 0) // the next call says what is wrong
                break;
            if (failed(result) == 0) // the peer sends no more; no reason not to send to it
                errno = EPIPE;
            return -1;
        }
        sent += size;
        records().sent_under_key += std::max<std::uint64_t>(size, least_counted);
    }
    return static_cast<ssize_t>(sent);
}

int Tls::end()
{
    ERR_clear_error();
    errno = 0;
    const int result = SSL_shutdown(ssl_.get()); // 0: ours is sent, the peer's has not come
    return result >= 0 ? 0 : static_cast<int>(failed(result));
}

bool Tls::drained() const
{
    return records().drained;
}

bool Tls::has_ended() const
{
    return (SSL_get_shutdown(ssl_.get()) & SSL_RECEIVED_SHUTDOWN) != 0;
}

bool Tls::wants_to_send() const
{
    return SSL_want_write(ssl_.get());
}

bool Tls::has_pending() const
{
    return SSL_has_pending(ssl_.get()) == 1;
}

std::uint64_t Tls::work() const
{
    const RecordGuard& seen = guard();
    return seen.bytes() + seen.records() * bytes_for_record;
}

RecordGuard& Tls::guard() const
{
    return records().guard;
}

RecordSocket& Tls::records() const
{
    return record_socket_of(SSL_get_rbio(ssl_.get()));
}

void Tls::update_keys()
{
    if (SSL_version(ssl_.get()) < TLS1_3_VERSION) {
        records().sent_under_key = 0; // or each send() would come here
        return;
    }
    ERR_clear_error();
    if (SSL_key_update(ssl_.get(), SSL_KEY_UPDATE_NOT_REQUESTED) == 1) // else a record is half sent
        records().sent_under_key = 0;
}

ssize_t Tls::failed(int result)
{
    const int system = errno;
    switch (SSL_get_error(ssl_.get(), result)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
        errno = EAGAIN;
        return -1;
    case SSL_ERROR_ZERO_RETURN:
        return 0;
    case SSL_ERROR_SYSCALL:
        errno = system != 0 ? system : ECONNRESET;
        return -1;
    default: {
        const int why = ERR_GET_REASON(ERR_peek_error());
        if (refuses_certificate(why))
            errno = EKEYREJECTED;
        else
            errno = why == SSL_R_UNEXPECTED_EOF_WHILE_READING ? ECONNRESET : EBADMSG;
        return -1;
    }
    }
}

// Once a socket is closed its number may be another's, which the library does not know.
ssize_t receive_bytes(int descriptor, Tls& tls, std::span<std::byte> room)
{
    if (descriptor < 0) {
        errno = EBADF;
        return -1;
    }
    return tls ? tls.receive(room) : ::recv(descriptor, room.data(), room.size(), MSG_DONTWAIT);
}

ssize_t send_bytes(int descriptor, Tls& tls, std::span<const std::byte> bytes)
{
    if (descriptor < 0) {
        errno = EBADF;
        return -1;
    }
    return tls ? tls.send(bytes)
               : ::send(descriptor, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
}

int end_stream(int descriptor, Tls& tls)
{
    if (descriptor >= 0 && tls && tls.end() != 0)
        return -1;
    return ::shutdown(descriptor, SHUT_WR);
}

std::error_code send_at_once(int descriptor, Tls& tls, std::string_view bytes)
{
    const ssize_t sent = send_bytes(descriptor, tls, std::as_bytes(std::span(bytes)));
    if (sent < 0)
        return {errno, std::system_category()};
    if (static_cast<std::size_t>(sent) < bytes.size())
        return make_error_code(Errc::peer_takes_nothing);
    return {};
}

} // namespace tunnel
