// Node's parser. It gets the bytes one by one, so that a message ends at the byte at which it says
// so.
#include <llhttp.h>

#include "tests/smuggling/message_ends.hpp"

namespace tunnel::smuggling {

namespace {

struct Reading {
    llhttp_t parser{};
    bool to_head = false;
    std::size_t messages = 0;
    bool in_body = false;
};

Reading& of(llhttp_t* parser)
{
    return *static_cast<Reading*>(parser->data);
}

int headers_complete(llhttp_t* parser)
{
    of(parser).in_body = true;
    const auto status = parser->status_code; // 0: of a request
    const bool has_no_body =
        of(parser).to_head || (status > 0 && status < 200) || status == 204 || status == 304;
    return has_no_body ? 1 : 0; // who uses it has to know (RFC 9112 6.3)
}

int message_complete(llhttp_t* parser)
{
    of(parser).in_body = false;
    ++of(parser).messages;
    return 0;
}

} // namespace

MessageEnds ends_by_llhttp(Kind kind, std::string_view bytes)
{
    llhttp_settings_t settings;
    llhttp_settings_init(&settings);
    settings.on_headers_complete = headers_complete;
    settings.on_message_complete = message_complete;
    Reading reading;
    llhttp_init(&reading.parser, kind == Kind::request ? HTTP_REQUEST : HTTP_RESPONSE, &settings);
    reading.parser.data = &reading;
    reading.to_head = kind == Kind::response_to_head;
    MessageEnds ends;
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        const std::size_t before = reading.messages;
        const llhttp_errno_t error = llhttp_execute(&reading.parser, bytes.data() + i, 1);
        const bool is_interim = kind != Kind::request && reading.parser.status_code < 200 &&
                                reading.parser.status_code != 101;
        if (reading.messages > before && !is_interim)
            ends.at.push_back(i + 1);
        ends.passed = i + 1;
        if (error == HPE_OK)
            continue;
        if (error != HPE_PAUSED_UPGRADE) {
            ends.stop = error == HPE_CLOSED_CONNECTION ? Stop::closed : Stop::refused;
            return ends;
        }
        if (kind != Kind::request) {
            ends.stop = Stop::upgraded;
            return ends;
        }
        llhttp_resume_after_upgrade(&reading.parser); // whether it happens is the server's choice
    }
    if (reading.in_body && llhttp_message_needs_eof(&reading.parser) != 0)
        ends.stop = Stop::until_end;
    return ends;
}

} // namespace tunnel::smuggling
