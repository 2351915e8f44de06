#include "common/transport/record_socket.hpp"

#include <algorithm>
#include <cerrno>
#include <memory>
#include <new>
#include <utility>

#include <openssl/bio.h>
#include <sys/socket.h>

namespace tunnel {

namespace {

thread_local RecordBatch* current_batch = nullptr;

// What the library expects of such an object, bio(7).
int answer(BIO* bio, ssize_t size, std::size_t& done, int retry)
{
    BIO_clear_retry_flags(bio);
    done = size > 0 ? static_cast<std::size_t>(size) : 0;
    if (size < 0 && (errno == EAGAIN || errno == EINTR))
        BIO_set_flags(bio, retry | BIO_FLAGS_SHOULD_RETRY);
    else if (size == 0)
        BIO_set_flags(bio, BIO_FLAGS_IN_EOF);
    return size > 0 ? 1 : 0;
}

int read_bio(BIO* bio, char* bytes, std::size_t size, std::size_t* done)
{
    RecordSocket& socket = record_socket_of(bio);
    RecordGuard& guard = socket.guard;
    const std::span<std::byte> room(reinterpret_cast<std::byte*>(bytes), size);
    ssize_t result = -1;
    if (guard.objection().empty())
        result = current_batch != nullptr
                     ? current_batch->receive(socket.descriptor, room)
                     : ::recv(socket.descriptor, room.data(), room.size(), MSG_DONTWAIT);
    if (result > 0 && !guard.take(room.first(static_cast<std::size_t>(result))))
        result = -1;
    if (!guard.objection().empty())
        errno = EPROTO;
    return answer(bio, result, *done, BIO_FLAGS_READ);
}

int write_bio(BIO* bio, const char* bytes, std::size_t size, std::size_t* done)
{
    const int flags = current_batch != nullptr ? current_batch->send_flags() : 0;
    const ssize_t result =
        ::send(record_socket_of(bio).descriptor, bytes, size, MSG_NOSIGNAL | MSG_DONTWAIT | flags);
    return answer(bio, result, *done, BIO_FLAGS_WRITE);
}

long control_bio(BIO* bio, int command, long, void*)
{
    switch (command) {
    case BIO_CTRL_FLUSH: // nothing is held back
    case BIO_CTRL_DUP:
        return 1;
    case BIO_CTRL_EOF:
        return BIO_test_flags(bio, BIO_FLAGS_IN_EOF) != 0 ? 1 : 0;
    default: // among them kernel TLS
        return 0;
    }
}

int destroy_bio(BIO* bio)
{
    delete static_cast<RecordSocket*>(BIO_get_data(bio));
    return 1;
}

BIO_METHOD* method()
{
    static BIO_METHOD* const made = [] {
        BIO_METHOD* const fresh =
            BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK | BIO_TYPE_DESCRIPTOR,
                         "records on a socket");
        BIO_meth_set_read_ex(fresh, read_bio);
        BIO_meth_set_write_ex(fresh, write_bio);
        BIO_meth_set_ctrl(fresh, control_bio);
        BIO_meth_set_destroy(fresh, destroy_bio);
        return fresh;
    }();
    return made;
}

} // namespace

bio_st* make_record_socket(int descriptor, RecordGuard guard)
{
    std::unique_ptr<RecordSocket> socket(new (std::nothrow) RecordSocket{descriptor, guard});
    BIO* const bio = socket ? BIO_new(method()) : nullptr;
    if (bio == nullptr)
        return nullptr;
    BIO_set_data(bio, socket.release());
    BIO_set_init(bio, 1);
    return bio;
}

RecordSocket& record_socket_of(bio_st* bio)
{
    return *static_cast<RecordSocket*>(BIO_get_data(bio));
}

void RecordBatch::enter()
{
    current_batch = this;
}

RecordBatch::~RecordBatch()
{
    current_batch = nullptr;
}

ssize_t RecordBatch::receive(int descriptor, std::span<std::byte> room)
{
    if (left_.empty()) {
        errno = EAGAIN;
        if (std::exchange(read_, true))
            return -1;
        const ssize_t size = ::recv(descriptor, ahead_.data(), ahead_.size(), MSG_DONTWAIT);
        drained_ = size < static_cast<ssize_t>(ahead_.size());
        empty_ = size < 0;
        if (size <= 0)
            return size;
        left_ = ahead_.first(static_cast<std::size_t>(size));
    }
    const std::size_t size = std::min(left_.size(), room.size());
    std::copy_n(left_.begin(), size, room.begin());
    left_ = left_.subspan(size);
    return static_cast<ssize_t>(size);
}

int RecordBatch::send_flags() const
{
    return more_follows_ ? MSG_MORE : 0;
}

} // namespace tunnel
