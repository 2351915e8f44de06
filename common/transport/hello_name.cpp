#include "common/transport/hello_name.hpp"

#include <algorithm>
#include <optional>
#include <span>

#include "common/transport/host_name.hpp"

namespace tunnel {

namespace {

using namespace std::string_view_literals;

using FoundName = std::variant<HelloName, NoHello>;

constexpr std::size_t hello_record_header_size = 5;
constexpr std::size_t largest_hello_record = 1 << 14;
constexpr std::uint8_t hello_record_type = 22;
constexpr std::uint8_t hello_major_version = 3;
constexpr std::uint8_t newest_hello_minor_version = 4;

constexpr std::size_t hello_header_size = 4;
constexpr std::uint8_t client_hello_type = 1;

constexpr std::size_t server_name_extension = 0;
constexpr std::size_t host_name_type = 0;

// With the space behind them, so that each of them is an HTTP request's and no other protocol's
// word. The last one is that of HTTP/2 (RFC 9113, section 3.4), the ones before it are of WebDAV.
constexpr std::array http_methods{
    "GET "sv,    "HEAD "sv,     "POST "sv,      "PUT "sv,     "DELETE "sv, "CONNECT "sv, "TRACE "sv,
    "PATCH "sv,  "PROPFIND "sv, "PROPPATCH "sv, "MKCOL "sv,   "COPY "sv,   "MOVE "sv,    "LOCK "sv,
    "UNLOCK "sv, "REPORT "sv,   "SEARCH "sv,    "OPTIONS "sv, "PRI "sv};

std::uint8_t hello_byte(std::string_view bytes, std::size_t index)
{
    return static_cast<std::uint8_t>(bytes[index]);
}

// A number in the first `size` bytes. Those that have not come yet count as zero: it is no smaller
// when they have.
std::size_t least_number(std::string_view bytes, std::size_t size)
{
    std::size_t number = 0;
    for (std::size_t i = 0; i < size; ++i)
        number = number << 8 | (i < bytes.size() ? hello_byte(bytes, i) : 0u);
    return number;
}

// Of bytes that begin with no record of a handshake.
NoHello what_it_is_instead(std::string_view bytes)
{
    // A length of two bytes whose first bit is set, then the message's type.
    if (hello_byte(bytes, 0) >= 0x80) {
        if (bytes.size() < 3)
            return NoHello::not_whole;
        return hello_byte(bytes, 2) == client_hello_type ? NoHello::old_ssl : NoHello::not_tls;
    }
    for (const std::string_view method : http_methods) {
        if (bytes.starts_with(method))
            return NoHello::plain_http;
        if (method.starts_with(bytes))
            return NoHello::not_whole;
    }
    return NoHello::not_tls;
}

// What is wrong with a record's header, as far as it has come.
std::optional<NoHello> objection_to_record(std::string_view header, bool is_first)
{
    const NoHello other = is_first ? NoHello::not_tls : NoHello::malformed;
    if (!header.empty() && hello_byte(header, 0) != hello_record_type)
        return other;
    if (header.size() > 1 && hello_byte(header, 1) != hello_major_version)
        return other;
    if (header.size() > 2 && hello_byte(header, 2) > newest_hello_minor_version)
        return NoHello::malformed;
    if (header.size() <= 3)
        return std::nullopt;
    const std::size_t size = least_number(header.substr(3), 2);
    if (size > largest_hello_record)
        return NoHello::too_large;
    if (size == 0 && header.size() == hello_record_header_size)
        return NoHello::malformed;
    return std::nullopt;
}

// A hello that comes in records, cut at any place.
class HelloMessage {
public:
    // Takes the records of which `bytes` are the beginning. nullopt: the message is whole.
    std::optional<NoHello> take(std::string_view bytes)
    {
        for (;;) {
            const std::string_view header = bytes.substr(0, hello_record_header_size);
            if (const auto objection = objection_to_record(header, pieces_ == 0))
                return objection;
            if (header.size() < hello_record_header_size)
                return NoHello::not_whole;
            const std::size_t size = least_number(header.substr(3), 2);
            // By then the message's own header is there: no record is empty.
            if (pieces_ == most_hello_records - 1 && held_ + size < this->size())
                return NoHello::too_large;
            const std::string_view body = bytes.substr(header.size(), size);
            append(body);
            if (const auto objection = objection_to_message())
                return objection;
            if (is_whole())
                return std::nullopt;
            if (body.size() < size)
                return NoHello::not_whole;
            bytes.remove_prefix(header.size() + size);
        }
    }

    // Of a whole one; it lies in the only record, or else in `joined`.
    std::string_view body(std::string& joined) const
    {
        std::string_view message = all_pieces_[0];
        if (pieces_ > 1) {
            joined.reserve(held_);
            for (const std::string_view piece : std::span(all_pieces_).first(pieces_))
                joined += piece;
            message = joined;
        }
        return message.substr(0, size()).substr(hello_header_size);
    }

private:
    void append(std::string_view piece)
    {
        const std::size_t missing = hello_header_size - std::min(held_, hello_header_size);
        const std::string_view first = piece.substr(0, missing);
        std::ranges::copy(first, header_.begin() + (hello_header_size - missing));
        all_pieces_[pieces_++] = piece;
        held_ += piece.size();
    }

    std::string_view header() const { return {header_.data(), std::min(held_, hello_header_size)}; }

    // With its header. As long as not all of that has come it is at least so much, and at least the
    // header, so that the message is not taken to be whole.
    std::size_t size() const
    {
        return hello_header_size + (held_ > 1 ? least_number(header().substr(1), 3) : 0);
    }

    bool is_whole() const { return held_ >= size(); }

    std::optional<NoHello> objection_to_message() const
    {
        if (held_ > 0 && hello_byte(header(), 0) != client_hello_type)
            return NoHello::malformed;
        if (size() > largest_hello_message)
            return NoHello::too_large;
        return std::nullopt;
    }

    std::array<std::string_view, most_hello_records> all_pieces_{};
    std::size_t pieces_ = 0;
    std::size_t held_ = 0; // in all pieces
    std::array<char, hello_header_size> header_{};
};

// Reads from the front. Once something was not there it has failed, and gives nothing more.
class HelloReader {
public:
    explicit HelloReader(std::string_view bytes) : rest_(bytes) {}

    std::string_view take(std::size_t size)
    {
        failed_ = failed_ || size > rest_.size();
        if (failed_)
            return {};
        const std::string_view taken = rest_.substr(0, size);
        rest_.remove_prefix(size);
        return taken;
    }

    std::size_t number(std::size_t size) { return least_number(take(size), size); }

    // What has its length in front of it, in so many bytes.
    std::string_view vector(std::size_t size_of_size) { return take(number(size_of_size)); }

    bool failed() const { return failed_; }

    bool is_done() const { return rest_.empty(); }

private:
    std::string_view rest_;
    bool failed_ = false;
};

// `extension` is the content of a server_name.
FoundName name_in(std::string_view extension)
{
    HelloReader reader(extension);
    HelloReader names(reader.vector(2));
    if (reader.failed() || !reader.is_done() || names.is_done())
        return NoHello::malformed;
    std::optional<std::string_view> host;
    while (!names.is_done()) {
        const std::size_t type = names.number(1);
        const std::string_view name = names.vector(2); // so it is for types to come
        if (names.failed() || (type == host_name_type && host))
            return NoHello::malformed;
        if (type == host_name_type)
            host = name;
    }
    if (!host)
        return HelloName{};
    auto canonical = canonical_host_name(*host);
    return canonical ? HelloName{*std::move(canonical)} : HelloName{{}, false};
}

// `body` is the message without its header.
FoundName name_in_hello(std::string_view body)
{
    constexpr std::size_t version_and_random = 2 + 32;
    constexpr std::size_t longest_session_id = 32;
    constexpr std::size_t size_of_cipher = 2;
    HelloReader reader(body);
    reader.take(version_and_random);
    const std::string_view session_id = reader.vector(1);
    const std::string_view ciphers = reader.vector(2);
    const std::string_view compressions = reader.vector(1);
    if (reader.failed() || session_id.size() > longest_session_id || ciphers.empty() ||
        ciphers.size() % size_of_cipher != 0 || compressions.empty())
        return NoHello::malformed;
    if (reader.is_done()) // extensions are younger than TLS
        return HelloName{};
    HelloReader extensions(reader.vector(2));
    if (reader.failed() || !reader.is_done())
        return NoHello::malformed;
    std::optional<std::string_view> server_name;
    while (!extensions.is_done()) {
        const std::size_t type = extensions.number(2);
        const std::string_view content = extensions.vector(2);
        if (extensions.failed() || (type == server_name_extension && server_name))
            return NoHello::malformed;
        if (type == server_name_extension)
            server_name = content;
    }
    return server_name ? name_in(*server_name) : HelloName{};
}

} // namespace

FoundName find_hello_name(std::string_view bytes)
{
    if (bytes.empty())
        return NoHello::not_whole;
    if (hello_byte(bytes, 0) != hello_record_type)
        return what_it_is_instead(bytes);
    HelloMessage message;
    if (const auto none = message.take(bytes))
        return *none;
    std::string joined;
    return name_in_hello(message.body(joined));
}

} // namespace tunnel
