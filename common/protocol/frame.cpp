#include "common/protocol/frame.hpp"

#include <algorithm>

namespace tunnel {

namespace {

constexpr std::size_t most_features = 32;

// A field is one byte of tag, two bytes of length, then the value. Tags are never given a second
// meaning, so that any two versions read each other's fields alike.
enum class Tag : std::uint8_t {
    lowest_version = 1,
    highest_version = 2,
    version = 3,
    program_version = 4,
    feature = 5, // may stand more than once
    service = 6,
    origin = 7,
    heartbeat_timeout = 8, // milliseconds
    outside_address = 9,
    reason = 10,
    text = 11,
    ticket = 12,
    visitor = 13,
    session = 14,
    credential = 15,
    nonce = 16,
    proof = 17,
    number = 18,
    state = 19,
    header = 20, // 1: of the PROXY protocol's v1
    name = 23,
    code = 24,
};

constexpr std::size_t field_header_size = 3;

class Writer {
public:
    explicit Writer(FrameKind kind) : bytes_(2, '\0') { bytes_ += static_cast<char>(kind); }

    void number(Tag tag, std::uint64_t value, std::size_t size)
    {
        begin_field(tag, size);
        append_number(value, size);
    }

    void text(Tag tag, std::string_view value)
    {
        value = value.substr(0, longest_text);
        begin_field(tag, value.size());
        bytes_ += value;
    }

    void bytes(Tag tag, std::span<const std::uint8_t> value)
    {
        begin_field(tag, value.size());
        bytes_.append(reinterpret_cast<const char*>(value.data()), value.size());
    }

    void features(const std::vector<std::string>& features)
    {
        for (std::size_t i = 0; i < std::min(features.size(), most_features); ++i)
            text(Tag::feature, features[i]);
    }

    // Older programs have none, and take it for this one.
    void code(Code value, Code otherwise)
    {
        if (value != otherwise)
            text(Tag::code, name_of(value));
    }

    // Older programs have none.
    void offer_number(std::uint64_t value)
    {
        if (value != 0)
            number(Tag::number, value, 8);
    }

    std::string finish() &&
    {
        bytes_[0] = static_cast<char>(bytes_.size() >> 8);
        bytes_[1] = static_cast<char>(bytes_.size() & 0xff);
        return std::move(bytes_);
    }

private:
    void begin_field(Tag tag, std::size_t size)
    {
        bytes_ += static_cast<char>(tag);
        append_number(size, 2);
    }

    void append_number(std::uint64_t value, std::size_t size)
    {
        for (std::size_t i = size; i-- > 0;)
            bytes_ += static_cast<char>(value >> (8 * i) & 0xff);
    }

    std::string bytes_;
};

// What may be missing stands before what may not, so that a frame that was cut is never a whole
// one.
struct Encoder {
    std::string operator()(const LogIn& log_in) const
    {
        Writer writer(FrameKind::log_in);
        writer.number(Tag::lowest_version, log_in.lowest_version, 2);
        writer.number(Tag::highest_version, log_in.highest_version, 2);
        writer.text(Tag::program_version, log_in.program_version);
        writer.features(log_in.features);
        writer.text(Tag::service, log_in.service);
        writer.bytes(Tag::origin, log_in.origin.bytes);
        if (log_in.claimed) {
            writer.bytes(Tag::credential, log_in.claimed->credential);
            writer.bytes(Tag::nonce, log_in.claimed->nonce);
        }
        if (!log_in.name.empty())
            writer.text(Tag::name, log_in.name);
        writer.number(Tag::heartbeat_timeout,
                      static_cast<std::uint64_t>(log_in.heartbeat_timeout.count()), 8);
        return std::move(writer).finish();
    }

    std::string operator()(const Welcome& welcome) const
    {
        Writer writer(FrameKind::welcome);
        writer.number(Tag::version, welcome.version, 2);
        writer.text(Tag::program_version, welcome.program_version);
        writer.features(welcome.features);
        writer.text(Tag::outside_address, welcome.outside_address);
        if (welcome.session)
            writer.bytes(Tag::session, welcome.session->bytes);
        writer.number(Tag::heartbeat_timeout,
                      static_cast<std::uint64_t>(welcome.heartbeat_timeout.count()), 8);
        return std::move(writer).finish();
    }

    std::string operator()(const Reject& reject) const
    {
        Writer writer(FrameKind::reject);
        writer.number(Tag::reason, static_cast<std::uint8_t>(reject.reason), 1);
        writer.text(Tag::text, reject.text);
        return std::move(writer).finish();
    }

    std::string operator()(const Announce& announce) const
    {
        Writer writer(FrameKind::announce);
        if (!announce.outside.empty())
            writer.text(Tag::outside_address, announce.outside);
        if (announce.wants_header)
            writer.number(Tag::header, 1, 1);
        writer.bytes(Tag::ticket, announce.ticket.bytes);
        writer.text(Tag::visitor, announce.visitor);
        writer.text(Tag::service, announce.service);
        return std::move(writer).finish();
    }

    std::string operator()(const DialBack& dial_back) const
    {
        Writer writer(FrameKind::dial_back);
        if (dial_back.proof)
            writer.bytes(Tag::proof, *dial_back.proof);
        writer.bytes(Tag::ticket, dial_back.ticket.bytes);
        return std::move(writer).finish();
    }

    std::string operator()(const Start&) const { return Writer(FrameKind::start).finish(); }

    std::string operator()(const Refuse& refuse) const
    {
        Writer writer(FrameKind::refuse);
        writer.code(refuse.code, Refuse().code);
        writer.bytes(Tag::ticket, refuse.ticket.bytes);
        writer.text(Tag::text, refuse.text);
        return std::move(writer).finish();
    }

    std::string operator()(const Heartbeat&) const { return Writer(FrameKind::heartbeat).finish(); }

    std::string operator()(const Probe&) const { return Writer(FrameKind::probe).finish(); }

    std::string operator()(const Notice& notice) const
    {
        Writer writer(FrameKind::notice);
        writer.text(Tag::text, notice.text);
        return std::move(writer).finish();
    }

    std::string operator()(const Goodbye& goodbye) const
    {
        Writer writer(FrameKind::goodbye);
        writer.code(goodbye.code, Goodbye().code);
        writer.text(Tag::text, goodbye.text);
        return std::move(writer).finish();
    }

    std::string operator()(const Park& park) const
    {
        Writer writer(FrameKind::park);
        if (park.numbered) {
            writer.number(Tag::number, park.numbered->number, 8);
            writer.bytes(Tag::proof, park.numbered->proof);
        }
        writer.bytes(Tag::session, park.session.bytes);
        return std::move(writer).finish();
    }

    std::string operator()(const Challenge& challenge) const
    {
        Writer writer(FrameKind::challenge);
        writer.bytes(Tag::nonce, challenge.nonce);
        writer.bytes(Tag::proof, challenge.proof);
        return std::move(writer).finish();
    }

    std::string operator()(const Proof& proof) const
    {
        Writer writer(FrameKind::proof);
        writer.bytes(Tag::proof, proof.proof);
        return std::move(writer).finish();
    }

    std::string operator()(const Offer& offer) const
    {
        Writer writer(FrameKind::offer);
        if (!offer.outside_address.empty())
            writer.text(Tag::outside_address, offer.outside_address);
        writer.offer_number(offer.number);
        writer.text(Tag::service, offer.service);
        return std::move(writer).finish();
    }

    std::string operator()(const Opened& opened) const
    {
        Writer writer(FrameKind::opened);
        writer.offer_number(opened.number);
        writer.text(Tag::service, opened.service);
        writer.text(Tag::outside_address, opened.outside_address);
        return std::move(writer).finish();
    }

    std::string operator()(const Declined& declined) const
    {
        Writer writer(FrameKind::declined);
        writer.offer_number(declined.number);
        writer.text(Tag::service, declined.service);
        writer.number(Tag::reason, static_cast<std::uint8_t>(declined.reason), 1);
        writer.text(Tag::text, declined.text);
        return std::move(writer).finish();
    }

    std::string operator()(const Withdraw& withdraw) const
    {
        Writer writer(FrameKind::withdraw);
        writer.text(Tag::service, withdraw.service);
        return std::move(writer).finish();
    }

    std::string operator()(const ServerHealth& health) const
    {
        Writer writer(FrameKind::server_health);
        writer.text(Tag::service, health.service);
        writer.number(Tag::state, static_cast<std::uint8_t>(health.state), 1);
        writer.text(Tag::text, health.text);
        return std::move(writer).finish();
    }

    std::string operator()(const Unknown& unknown) const
    {
        return Writer(FrameKind{unknown.kind}).finish();
    }
};

// The fields of one frame. A field that is asked for and missing, or has a wrong size, is noted,
// so that a decoder can ask for all of them and look once at the end.
class Fields {
public:
    // nullopt: a length that reaches beyond the frame.
    static std::optional<Fields> parse(std::span<const std::uint8_t> body)
    {
        Fields fields;
        while (!body.empty()) {
            if (body.size() < field_header_size)
                return std::nullopt;
            const std::size_t size = static_cast<std::size_t>(body[1]) << 8 | body[2];
            if (size > body.size() - field_header_size)
                return std::nullopt;
            fields.entries_.push_back({Tag{body[0]}, body.subspan(field_header_size, size)});
            body = body.subspan(field_header_size + size);
        }
        return fields;
    }

    std::uint64_t number(Tag tag, std::size_t size)
    {
        const auto value = find(tag);
        if (!value || value->size() != size) {
            complete_ = false;
            return 0;
        }
        std::uint64_t number = 0;
        for (const std::uint8_t byte : *value)
            number = number << 8 | byte;
        return number;
    }

    std::uint64_t offer_number() { return has(Tag::number) ? number(Tag::number, 8) : 0; }

    std::string text(Tag tag)
    {
        const auto value = find(tag);
        if (!value || value->size() > longest_text) {
            complete_ = false;
            return {};
        }
        return {value->begin(), value->end()};
    }

    // Of one that is missing, or of a later version: `otherwise`.
    Code code(Code otherwise) { return parse_code(text_or_nothing(Tag::code)).value_or(otherwise); }

    // Of a field that may be missing.
    std::string text_or_nothing(Tag tag) { return has(tag) ? text(tag) : std::string(); }

    template <std::size_t size = std::tuple_size_v<RandomBytes>>
    std::array<std::uint8_t, size> random(Tag tag)
    {
        std::array<std::uint8_t, size> bytes{};
        const auto value = find(tag);
        if (value && value->size() == bytes.size())
            std::ranges::copy(*value, bytes.begin());
        else
            complete_ = false;
        return bytes;
    }

    ProofBytes proof() { return random<std::tuple_size_v<ProofBytes>>(Tag::proof); }

    bool has(Tag tag) const { return find(tag).has_value(); }

    // As long as it fits a clock: a peer must not be able to overflow ours.
    std::chrono::milliseconds duration(Tag tag)
    {
        constexpr std::uint64_t year = 366ULL * 24 * 3'600'000;
        return std::chrono::milliseconds(std::min(number(tag, 8), year));
    }

    std::vector<std::string> features()
    {
        std::vector<std::string> found;
        for (const Entry& entry : entries_) {
            if (entry.tag != Tag::feature)
                continue;
            if (entry.value.size() > longest_text || found.size() == most_features) {
                complete_ = false;
                break;
            }
            found.emplace_back(entry.value.begin(), entry.value.end());
        }
        return found;
    }

    // Whether everything that was asked for was there.
    bool complete() const { return complete_; }

private:
    struct Entry {
        Tag tag;
        std::span<const std::uint8_t> value;
    };

    // The first of that tag.
    std::optional<std::span<const std::uint8_t>> find(Tag tag) const
    {
        const auto entry = std::ranges::find(entries_, tag, &Entry::tag);
        return entry == entries_.end() ? std::nullopt : std::optional(entry->value);
    }

    std::vector<Entry> entries_;
    bool complete_ = true;
};

Frame read(FrameKind kind, Fields& fields)
{
    switch (kind) {
    case FrameKind::log_in:
        return LogIn{
            static_cast<std::uint16_t>(fields.number(Tag::lowest_version, 2)),
            static_cast<std::uint16_t>(fields.number(Tag::highest_version, 2)),
            fields.text(Tag::program_version),
            fields.features(),
            fields.text(Tag::service),
            OriginId{fields.random(Tag::origin)},
            fields.duration(Tag::heartbeat_timeout),
            fields.has(Tag::credential)
                ? std::optional(Claimed{fields.random(Tag::credential), fields.random(Tag::nonce)})
                : std::nullopt,
            fields.text_or_nothing(Tag::name)};
    case FrameKind::welcome:
        return Welcome{static_cast<std::uint16_t>(fields.number(Tag::version, 2)),
                       fields.text(Tag::program_version),
                       fields.features(),
                       fields.text(Tag::outside_address),
                       fields.duration(Tag::heartbeat_timeout),
                       fields.has(Tag::session)
                           ? std::optional(SessionId{fields.random(Tag::session)})
                           : std::nullopt};
    case FrameKind::reject:
        return Reject{RejectReason{static_cast<std::uint8_t>(fields.number(Tag::reason, 1))},
                      fields.text(Tag::text)};
    case FrameKind::announce:
        return Announce{Ticket{fields.random(Tag::ticket)}, fields.text(Tag::visitor),
                        fields.text(Tag::service), fields.text_or_nothing(Tag::outside_address),
                        fields.has(Tag::header) && fields.number(Tag::header, 1) == 1};
    case FrameKind::dial_back:
        return DialBack{Ticket{fields.random(Tag::ticket)},
                        fields.has(Tag::proof) ? std::optional(fields.proof()) : std::nullopt};
    case FrameKind::start:
        return Start{};
    case FrameKind::refuse:
        return Refuse{Ticket{fields.random(Tag::ticket)}, fields.text(Tag::text),
                      fields.code(Refuse().code)};
    case FrameKind::heartbeat:
        return Heartbeat{};
    case FrameKind::probe:
        return Probe{};
    case FrameKind::notice:
        return Notice{fields.text(Tag::text)};
    case FrameKind::goodbye:
        return Goodbye{fields.text(Tag::text), fields.code(Goodbye().code)};
    case FrameKind::park:
        return Park{SessionId{fields.random(Tag::session)},
                    fields.has(Tag::number) ? std::optional(Park::Numbered{
                                                  fields.number(Tag::number, 8), fields.proof()})
                                            : std::nullopt};
    case FrameKind::challenge:
        return Challenge{fields.random(Tag::nonce), fields.proof()};
    case FrameKind::proof:
        return Proof{fields.proof()};
    case FrameKind::offer:
        return Offer{fields.text(Tag::service), fields.text_or_nothing(Tag::outside_address),
                     fields.offer_number()};
    case FrameKind::opened:
        return Opened{fields.text(Tag::service), fields.text(Tag::outside_address),
                      fields.offer_number()};
    case FrameKind::declined:
        return Declined{fields.text(Tag::service),
                        DeclineReason{static_cast<std::uint8_t>(fields.number(Tag::reason, 1))},
                        fields.text(Tag::text), fields.offer_number()};
    case FrameKind::withdraw:
        return Withdraw{fields.text(Tag::service)};
    case FrameKind::server_health:
        return ServerHealth{fields.text(Tag::service),
                            ServerState{static_cast<std::uint8_t>(fields.number(Tag::state, 1))},
                            fields.text(Tag::text)};
    }
    return Unknown{static_cast<std::uint8_t>(kind)};
}

} // namespace

std::string encode(const Frame& frame)
{
    return std::visit(Encoder{}, frame);
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
    auto fields = Fields::parse(body);
    if (!fields)
        return std::nullopt;
    Frame frame = read(FrameKind{kind}, *fields);
    if (!fields->complete())
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
