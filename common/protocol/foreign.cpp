#include "common/protocol/foreign.hpp"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "common/base/log.hpp"
#include "common/protocol/frame.hpp"

namespace tunnel {

namespace {

struct Greeting {
    std::string_view begins;
    std::string_view protocol;
};

// The end of a MySQL or PostgreSQL greeting is not at its beginning, so they stay unknown.
constexpr std::array greetings{
    Greeting{"HTTP/", "HTTP"},
    Greeting{"<!DOC", "HTTP"},
    Greeting{"<html", "HTTP"},
    Greeting{"SSH-", "SSH"},
    Greeting{"220 ", "SMTP or FTP"},
    Greeting{"220-", "SMTP or FTP"},
    Greeting{"+OK", "POP3"},
    Greeting{"* OK", "IMAP"},
    Greeting{"-ERR", "Redis"},
    Greeting{"RFB ", "VNC"},
    Greeting{"@RSYN", "rsync"},
    Greeting{std::string_view("\x15\x03", 2), "TLS"},
    Greeting{std::string_view("\x16\x03", 2), "TLS"},
    Greeting{std::string_view("\x00\x00\x12\x04", 4), "HTTP/2"},
    Greeting{std::string_view("\x05\x00", 2), "SOCKS"},
    Greeting{std::string_view("\x05\xff", 2), "SOCKS"},
};

} // namespace

std::optional<std::string_view> protocol_of(std::string_view first_bytes)
{
    const auto found = std::ranges::find_if(greetings, [&](const Greeting& greeting) {
        return first_bytes.starts_with(greeting.begins);
    });
    return found == greetings.end() ? std::nullopt : std::optional(found->protocol);
}

bool may_begin_frames(std::string_view first_bytes)
{
    constexpr std::size_t least = FrameHeader::wire_size;
    constexpr std::size_t most = 4096; // no frame before the log-in is longer
    constexpr unsigned char kinds = 32;
    if (protocol_of(first_bytes))
        return false;
    const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(first_bytes[i]); };
    if (first_bytes.size() < 3)
        return true; // that does not show yet
    const std::size_t size = std::size_t{byte(0)} << 8 | byte(1);
    return size >= least && size <= most && byte(2) < kinds;
}

std::string not_a_remote_proxy(std::string_view first_bytes)
{
    first_bytes = first_bytes.substr(0, foreign_bytes);
    const auto protocol = protocol_of(first_bytes);
    const std::string answer = protocol
                                   ? fmt::format("it answered {}", *protocol)
                                   : fmt::format("it answered \"{}\"", log::escape(first_bytes));
    return fmt::format("that is not a remote proxy ({}): --remote-proxy-addr must be the "
                       "--control-addr of the remote proxy",
                       answer);
}

} // namespace tunnel
