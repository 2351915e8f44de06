// How OpenSSL's records come from and go to a socket, with fewer system calls than by its own way.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include <sys/types.h>

#include "common/transport/record_guard.hpp"

struct bio_st; // OpenSSL's BIO

namespace tunnel {

// What is kept of a TLS connection beside OpenSSL's own state.
struct RecordSocket {
    int descriptor; // not owned
    RecordGuard guard;
    std::uint64_t sent_under_key = 0; // bytes
    bool drained = false;             // see Tls::drained()
    bool large_records = false;       // came last
};

// An object through which OpenSSL reads and writes the socket, which it does not own. What the
// guard objects to OpenSSL does not get: reading fails with EPROTO then. Null if there is no
// memory.
bio_st* make_record_socket(int descriptor, RecordGuard guard);

// Of such an object.
RecordSocket& record_socket_of(bio_st* bio);

// What the library cannot be told with a read or a write; in force on this thread while it lives.
//
// Reading, it takes from the socket once what fits `ahead`, many records, which the library then
// gets in the pieces that it asks for: a header, a body; after that it is told that there is
// nothing. The library must be read until then, since what is left when this ends would be lost.
//
// Writing, it tells the kernel when another record follows at once, so that several leave together.
class RecordBatch {
public:
    explicit RecordBatch(std::span<std::byte> ahead) : ahead_(ahead) { enter(); }

    explicit RecordBatch(bool more_follows) : read_(true), more_follows_(more_follows) { enter(); }

    RecordBatch(const RecordBatch&) = delete;
    RecordBatch& operator=(const RecordBatch&) = delete;
    ~RecordBatch();

    // The socket gave less than there was room for: all that it had, epoll(7).
    bool drained() const { return drained_; }

    // It gave nothing at all: neither bytes nor an end.
    bool empty() const { return empty_; }

    // For the callbacks of the library, as recv(2) and send(2).
    ssize_t receive(int descriptor, std::span<std::byte> room);

    int send_flags() const;

private:
    void enter();

    std::span<std::byte> ahead_;        // what has been read lies in it
    std::span<const std::byte> left_{}; // of that
    bool drained_ = false;
    bool empty_ = true; // as long as nobody has asked
    bool read_ = false;
    bool more_follows_ = false;
};

} // namespace tunnel
