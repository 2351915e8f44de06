#include "common/protocol/frame.hpp"

#include <algorithm>
#include <concepts>
#include <type_traits>
#include <utility>

#include "common/protocol/fields.hpp"

namespace tunnel {

namespace {

static_assert(longest_text == FieldWriter::longest_text);

// A frame of this kind, const while it is written.
template <class T, class Of>
concept Is = std::same_as<std::remove_const_t<T>, Of>;

// ---- The fields of each frame, for reading and for writing. What may be missing stands before
// what may not, so that a frame that was cut is never a whole one.

void list_fields(auto& fields, Is<LogIn> auto& log_in)
{
    fields.number(Tag::lowest, log_in.lowest_version);
    fields.number(Tag::highest, log_in.highest_version);
    fields.text(Tag::program_version, log_in.program_version);
    fields.texts(Tag::feature, log_in.features);
    fields.text(Tag::service, log_in.service);
    fields.bytes(Tag::origin, log_in.origin.bytes);
    fields.optional_group(Tag::credential, log_in.claimed, [&fields](auto& claimed) {
        fields.bytes(Tag::credential, claimed.credential);
        fields.bytes(Tag::nonce, claimed.nonce);
    });
    fields.optional_text(Tag::name, log_in.name);
    fields.duration(Tag::heartbeat_timeout, log_in.heartbeat_timeout);
}

void list_fields(auto& fields, Is<Welcome> auto& welcome)
{
    fields.number(Tag::version, welcome.version);
    fields.text(Tag::program_version, welcome.program_version);
    fields.texts(Tag::feature, welcome.features);
    fields.text(Tag::outside_address, welcome.outside_address);
    fields.optional_group(Tag::session, welcome.session,
                          [&fields](auto& session) { fields.bytes(Tag::session, session.bytes); });
    fields.duration(Tag::heartbeat_timeout, welcome.heartbeat_timeout);
}

void list_fields(auto& fields, Is<Reject> auto& reject)
{
    fields.number(Tag::reason, reject.reason);
    fields.text(Tag::text, reject.text);
}

void list_fields(auto& fields, Is<Announce> auto& announce)
{
    fields.optional_text(Tag::outside_address, announce.outside);
    fields.optional_flag(Tag::header, announce.wants_header);
    fields.bytes(Tag::ticket, announce.ticket.bytes);
    fields.text(Tag::visitor, announce.visitor);
    fields.text(Tag::service, announce.service);
}

void list_fields(auto& fields, Is<DialBack> auto& dial_back)
{
    fields.optional_group(Tag::proof, dial_back.proof,
                          [&fields](auto& proof) { fields.bytes(Tag::proof, proof); });
    fields.bytes(Tag::ticket, dial_back.ticket.bytes);
}

void list_fields(auto& fields, Is<Refuse> auto& refuse)
{
    fields.optional_code(Tag::code, refuse.code, Refuse().code);
    fields.bytes(Tag::ticket, refuse.ticket.bytes);
    fields.text(Tag::text, refuse.text);
}

void list_fields(auto& fields, Is<Notice> auto& notice)
{
    fields.text(Tag::text, notice.text);
}

void list_fields(auto& fields, Is<Goodbye> auto& goodbye)
{
    fields.optional_code(Tag::code, goodbye.code, Goodbye().code);
    fields.text(Tag::text, goodbye.text);
}

void list_fields(auto& fields, Is<Park> auto& park)
{
    fields.optional_group(Tag::number, park.numbered, [&fields](auto& numbered) {
        fields.number(Tag::number, numbered.number);
        fields.bytes(Tag::proof, numbered.proof);
    });
    fields.bytes(Tag::session, park.session.bytes);
}

void list_fields(auto& fields, Is<Challenge> auto& challenge)
{
    fields.bytes(Tag::nonce, challenge.nonce);
    fields.bytes(Tag::proof, challenge.proof);
}

void list_fields(auto& fields, Is<Proof> auto& proof)
{
    fields.bytes(Tag::proof, proof.proof);
}

void list_fields(auto& fields, Is<Offer> auto& offer)
{
    fields.optional_text(Tag::outside_address, offer.outside_address);
    fields.optional_number(Tag::number, offer.number);
    fields.optional_enumerator(Tag::kind, offer.names.kind);
    fields.texts(Tag::host, offer.names.hosts);
    fields.optional_flag(Tag::http, offer.speaks_http);
    fields.optional_text(Tag::host_header, offer.http.host_header);
    fields.optional_flag(Tag::shared, offer.http.shares_streams);
    fields.texts(Tag::login, offer.http.logins, {most_logins, largest_logins});
    fields.text(Tag::service, offer.service);
}

void list_fields(auto& fields, Is<Opened> auto& opened)
{
    fields.optional_number(Tag::number, opened.number);
    fields.text(Tag::service, opened.service);
    fields.text(Tag::outside_address, opened.outside_address);
}

void list_fields(auto& fields, Is<Declined> auto& declined)
{
    fields.optional_number(Tag::number, declined.number);
    fields.text(Tag::service, declined.service);
    fields.number(Tag::reason, declined.reason);
    fields.text(Tag::text, declined.text);
}

void list_fields(auto& fields, Is<Withdraw> auto& withdraw)
{
    fields.text(Tag::service, withdraw.service);
}

void list_fields(auto& fields, Is<ServerHealth> auto& health)
{
    fields.text(Tag::service, health.service);
    fields.number(Tag::state, health.state);
    fields.text(Tag::text, health.text);
}

// Start, heartbeat, probe, and kinds that are not known.
template <class Other>
requires std::is_empty_v<Other> || Is<Other, Unknown>

void list_fields(auto&, Other&) {}

// ---- Kinds

template <class T>
std::uint8_t kind_of(const T&)
{
    return static_cast<std::uint8_t>(T::kind);
}

std::uint8_t kind_of(const Unknown& unknown)
{
    return unknown.kind;
}

// An empty frame of this kind.
template <std::size_t i = 0>
Frame frame_of(std::uint8_t kind)
{
    using T = std::variant_alternative_t<i, Frame>;
    if constexpr (std::same_as<T, Unknown>)
        return Unknown{kind};
    else if (static_cast<std::uint8_t>(T::kind) == kind)
        return T();
    else
        return frame_of<i + 1>(kind);
}

} // namespace

std::string encode(const Frame& frame)
{
    return std::visit(
        [](const auto& each) {
            FieldWriter writer(kind_of(each));
            list_fields(writer, each);
            return std::move(writer).finish();
        },
        frame);
}

std::optional<FrameHeader>
decode_header(std::span<const std::uint8_t, FrameHeader::wire_size> bytes)
{
    const std::size_t size = static_cast<std::size_t>(bytes[0]) << 8 | bytes[1];
    if (size < FrameHeader::wire_size)
        return std::nullopt;
    return FrameHeader{static_cast<std::uint16_t>(size - FrameHeader::wire_size), bytes[2]};
}

std::optional<Frame> decode(std::uint8_t kind, std::span<const std::uint8_t> body)
{
    auto reader = FieldReader::parse(body);
    if (!reader)
        return std::nullopt;
    Frame frame = frame_of(kind);
    std::visit([&reader](auto& each) { list_fields(*reader, each); }, frame);
    if (!reader->complete())
        return std::nullopt;
    return frame;
}

std::optional<std::uint16_t> common_version(std::uint16_t lowest, std::uint16_t highest)
{
    const std::uint16_t version = std::min(highest, highest_version);
    if (version < std::max(lowest, lowest_version))
        return std::nullopt;
    return version;
}

} // namespace tunnel
