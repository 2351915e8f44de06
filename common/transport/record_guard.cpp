#include "common/transport/record_guard.hpp"

#include <algorithm>

namespace tunnel {

namespace {

constexpr std::uint8_t handshake_record = 22;

} // namespace

bool RecordGuard::take(std::span<const std::byte> bytes)
{
    bytes_ += bytes.size();
    if (!handshake_done_ && bytes_ > most_handshake_bytes_ && objection_ == Objection::none)
        objection_ = Objection::long_handshake;
    while (!bytes.empty() && objection_ == Objection::none) {
        if (header_held_ == 0)
            begin_record();
        if (header_held_ < record_header_size) {
            header_[header_held_++] = std::to_integer<std::uint8_t>(bytes.front());
            bytes = bytes.subspan(1);
            if (header_held_ < record_header_size)
                continue;
            on_header();
        }
        const std::size_t size = std::min<std::size_t>(body_left_, bytes.size());
        if (!handshake_done_ && !is_tls_1_2_ && header_[0] == handshake_record)
            look_at_messages(bytes.first(size));
        bytes = bytes.subspan(size);
        body_left_ = static_cast<std::uint16_t>(body_left_ - size);
        if (body_left_ == 0) {
            header_held_ = 0;
            ++records_since_data_;
        }
    }
    return objection_ == Objection::none;
}

// Another record is asked for only when those before it have given no data.
void RecordGuard::begin_record()
{
    if (!handshake_done_ || records_since_data_ == 0)
        return;
    if (without_data_ + records_since_data_ > most_without_data ||
        body_size_ > largest_without_data)
        objection_ = Objection::many_without_data;
}

void RecordGuard::on_header()
{
    body_size_ = static_cast<std::uint16_t>(header_[3] << 8 | header_[4]);
    body_left_ = body_size_;
    ++records_;
    if (!handshake_done_ && records_ > most_handshake_records)
        objection_ = Objection::many_handshake_records;
    // OpenSSL would take memory for a hello of 128 KiB as soon as its header has come, and then
    // refuse it.
    if (handshake_done_ && is_tls_1_2_ && header_[0] == handshake_record)
        objection_ = Objection::renegotiation;
}

// Messages may be cut into records at any place (RFC 8446, section 5.1).
void RecordGuard::look_at_messages(std::span<const std::byte> bytes)
{
    while (!bytes.empty() && objection_ == Objection::none) {
        if (message_left_ > 0) {
            const std::size_t size = std::min<std::size_t>(message_left_, bytes.size());
            message_left_ -= static_cast<std::uint32_t>(size);
            bytes = bytes.subspan(size);
            continue;
        }
        message_header_[message_header_held_++] = std::to_integer<std::uint8_t>(bytes.front());
        bytes = bytes.subspan(1);
        if (message_header_held_ < message_header_size)
            continue;
        message_header_held_ = 0;
        message_left_ = static_cast<std::uint32_t>(message_header_[1] << 16 |
                                                   message_header_[2] << 8 | message_header_[3]);
        if (message_left_ + message_header_size > largest_hello)
            objection_ = Objection::long_hello;
    }
}

void RecordGuard::handshake_done()
{
    handshake_done_ = true;
    records_since_data_ = 0;
}

void RecordGuard::data_came()
{
    if (records_since_data_ == 0) // the rest of a record for which there was no room before
        return;
    without_data_ += records_since_data_ - 1;
    records_since_data_ = 0;
    if (++data_records_ < data_records_for_one)
        return;
    data_records_ = 0;
    if (without_data_ > 0)
        --without_data_;
}

std::string_view RecordGuard::objection() const
{
    switch (objection_) {
    case Objection::none:
        return {};
    case Objection::long_hello:
        return "a TLS hello of more than 16 KiB";
    case Objection::long_handshake:
        return "too many bytes in a TLS handshake";
    case Objection::many_handshake_records:
        return "too many records in a TLS handshake";
    case Objection::many_without_data:
        return "too many TLS records without data";
    case Objection::renegotiation:
        return "a second TLS handshake on the same connection";
    }
    return {};
}

} // namespace tunnel
