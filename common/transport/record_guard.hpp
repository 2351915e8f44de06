// Keeps a TLS peer from making work without sending data.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace tunnel {

// Looks at the records of one TLS connection as they come from the socket, before OpenSSL gets
// them. OpenSSL by itself reads any number of tiny records, key updates or empty records in one
// call, and takes memory for a message as soon as its header has come. So this ends the connection
// of a peer that sends more than a proper one ever would. It decodes record headers (RFC 8446,
// section 5.1) and nothing encrypted; it does no I/O.
class RecordGuard {
public:
    // A ClientHello or ServerHello with its header. It fits one record.
    static constexpr std::size_t largest_hello = 16 * 1024;

    // Of everything that a peer sends up to the end of the handshake. A proper one needs ten at
    // most; but a certificate may be long, and some split their ClientHello to get past filters:
    // into 64 records (most_hello_records), which the others follow.
    static constexpr std::uint64_t most_handshake_records = 72;

    // After the handshake: records without data, such as key updates, that a peer may send before
    // it has sent data; each `data_records_for_one` records with data allow for one more.
    static constexpr std::uint32_t most_without_data = 32;
    static constexpr std::uint32_t data_records_for_one = 16;

    // A key update has 22 bytes. What is much longer holds many messages.
    static constexpr std::size_t largest_without_data = 1024;

    // Up to the end of the handshake the peer may send `most_handshake_bytes`.
    explicit RecordGuard(std::size_t most_handshake_bytes)
        : most_handshake_bytes_(most_handshake_bytes)
    {
    }

    // The next bytes from the socket, which OpenSSL has asked for. False: it must not get them, and
    // the connection has to end; objection() says why.
    bool take(std::span<const std::byte> bytes);

    // The hello that has come is one of TLS 1.2, whose later messages may be encrypted in records
    // of the same kind as those in clear, so they cannot be looked into. OpenSSL takes short ones
    // only. A handshake record behind the handshake is objected to from then on: it would begin
    // another.
    void agreed_on_tls_1_2() { is_tls_1_2_ = true; }

    void handshake_done();

    // OpenSSL has given data. It does so after each record that has any, so all other records that
    // came since it last did had none.
    void data_came();

    // What is wrong with the peer; empty: nothing.
    std::string_view objection() const;

    // What has come so far, whether it was data or not.
    std::uint64_t bytes() const { return bytes_; }

    std::uint64_t records() const { return records_; }

private:
    enum class Objection : std::uint8_t {
        none,
        long_hello,
        long_handshake,
        many_handshake_records,
        many_without_data,
        renegotiation,
    };

    static constexpr std::size_t record_header_size = 5;
    static constexpr std::size_t message_header_size = 4;

    void begin_record();
    void on_header();
    void look_at_messages(std::span<const std::byte> bytes);

    std::uint64_t bytes_ = 0;
    std::uint64_t records_ = 0;
    std::size_t most_handshake_bytes_;
    std::uint32_t message_left_ = 0;       // of the handshake message in clear that is coming
    std::uint32_t records_since_data_ = 0; // complete ones
    std::uint32_t without_data_ = 0;       // of those before them, without what was made up for
    std::uint32_t data_records_ = 0;       // that have not made up for one yet
    std::uint16_t body_left_ = 0;
    std::uint16_t body_size_ = 0; // of the record that is coming, or came last
    std::array<std::uint8_t, record_header_size> header_{};
    std::uint8_t header_held_ = 0;
    std::array<std::uint8_t, message_header_size> message_header_{};
    std::uint8_t message_header_held_ = 0;
    Objection objection_ = Objection::none;
    bool handshake_done_ = false;
    bool is_tls_1_2_ = false;
};

} // namespace tunnel
