// The parser that Node had before. It gets the bytes one by one, so that a message ends at the byte
// at which it says so.
#include <cstdint>
#include <limits>

#include <http_parser.h>

#include "tests/smuggling/message_ends.hpp"

namespace tunnel::smuggling {

namespace {

struct OldReading {
    http_parser parser{};
    bool to_head = false;
    std::size_t messages = 0;
    bool in_body = false;
};

OldReading& reading_of(http_parser* parser)
{
    return *static_cast<OldReading*>(parser->data);
}

int old_headers_complete(http_parser* parser)
{
    reading_of(parser).in_body = true;
    const auto status = parser->status_code; // 0: of a request
    const bool has_no_body = reading_of(parser).to_head || (status > 0 && status < 200) ||
                             status == 204 || status == 304;
    return has_no_body ? 1 : 0; // who uses it has to know (RFC 9112 6.3)
}

int old_message_complete(http_parser* parser)
{
    reading_of(parser).in_body = false;
    ++reading_of(parser).messages;
    return 0;
}

} // namespace

MessageEnds ends_by_http_parser(Kind kind, std::string_view bytes)
{
    http_parser_settings settings;
    http_parser_settings_init(&settings);
    settings.on_headers_complete = old_headers_complete;
    settings.on_message_complete = old_message_complete;
    OldReading reading;
    const auto type = kind == Kind::request ? HTTP_REQUEST : HTTP_RESPONSE;
    http_parser_init(&reading.parser, type);
    reading.parser.data = &reading;
    reading.to_head = kind == Kind::response_to_head;
    MessageEnds ends;
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        const std::size_t before = reading.messages;
        http_parser_execute(&reading.parser, &settings, bytes.data() + i, 1);
        const bool is_interim = kind != Kind::request && reading.parser.status_code < 200 &&
                                reading.parser.status_code != 101;
        if (reading.messages > before && !is_interim)
            ends.at.push_back(i + 1);
        ends.passed = i + 1;
        if (const auto error = HTTP_PARSER_ERRNO(&reading.parser); error != HPE_OK) {
            ends.stop = error == HPE_CLOSED_CONNECTION ? Stop::closed : Stop::refused;
            return ends;
        }
        if (reading.messages > before && reading.parser.upgrade != 0) {
            if (kind != Kind::request) {
                ends.stop = Stop::upgraded;
                return ends;
            }
            http_parser_init(&reading.parser, type); // whether it happens is the server's choice
        }
    }
    if (reading.in_body && (reading.parser.flags & F_CHUNKED) == 0 &&
        reading.parser.content_length == std::numeric_limits<std::uint64_t>::max())
        ends.stop = Stop::until_end;
    return ends;
}

} // namespace tunnel::smuggling
