#include "remote-proxy/http/forwarded_head.hpp"

#include <algorithm>
#include <charconv>
#include <iterator>

#include "common/http/field_names.hpp"
#include "common/http/framing.hpp"
#include "remote-proxy/http/forwarded_for.hpp"

namespace tunnel {

namespace {

constexpr std::string_view line_end = "\r\n";
constexpr unsigned upgrade_required = 426; // whose Upgrade tells of protocols (RFC 9110 15.5.22)

void append_field(std::string& out, std::string_view name, std::string_view value)
{
    out.append(name).append(": ").append(value).append(line_end);
}

// Of the connection that they came over, whatever its Connection header says.
bool is_hop_by_hop(KnownField field)
{
    switch (field) {
    case KnownField::connection:
    case KnownField::http2_settings:
    case KnownField::keep_alive:
    case KnownField::proxy_authenticate:
    case KnownField::proxy_authorization:
    case KnownField::proxy_connection:
    case KnownField::te:
    case KnownField::upgrade:
        return true;
    default:
        return false;
    }
}

// Those that tell of a visitor.
bool is_forwarding(KnownField field)
{
    switch (field) {
    case KnownField::forwarded:
    case KnownField::x_forwarded:
    case KnownField::x_forwarded_for:
    case KnownField::x_forwarded_host:
    case KnownField::x_forwarded_proto:
    case KnownField::x_forwarded_user:
    case KnownField::x_real_ip:
        return true;
    default:
        return false;
    }
}

// Whether a Connection field names any but what every proxy knows without it.
bool names_fields(std::span<const HeaderField> fields)
{
    for (const HeaderField& field : fields) {
        std::string_view list = known_name(field.name).field == KnownField::connection
                                    ? field.value
                                    : std::string_view();
        while (!list.empty()) {
            const std::string_view option = take_member(list);
            if (!option.empty() && !same_word(option, "close") &&
                !is_hop_by_hop(known_name(option).field))
                return true;
        }
    }
    return false;
}

class RequestWriter {
public:
    RequestWriter(std::string& out, const RequestHead& head, const ForwardRules& rules)
        : out_(out), head_(head), rules_(rules), names_fields_(names_fields(head.fields))
    {
    }

    void write()
    {
        write_first_lines();
        for (const HeaderField& field : head_.fields) {
            if (passes(field))
                append_field(out_, field.name, field.value);
        }
        write_connection();
        if (!rules_.user.empty())
            append_field(out_, "X-Forwarded-User", rules_.user);
        write_forwarding();
        out_.append(line_end);
    }

private:
    void write_first_lines()
    {
        out_.append(head_.method).append(" ").append(head_.path_and_query);
        out_.append(head_.is_http_1_0 ? " HTTP/1.0\r\n" : " HTTP/1.1\r\n");
        const std::string_view host =
            rules_.host_header.empty() ? head_.host_text : rules_.host_header;
        if (!host.empty() || !head_.is_http_1_0)
            append_field(out_, "Host", host);
    }

    // Whether the field goes on as it came. Notes what the lines of ours are made of.
    bool passes(const HeaderField& field)
    {
        const KnownName known = known_name(field.name);
        if (is_forwarding(known.field))
            return passes_forwarding(known, field.value);
        switch (known.field) {
        case KnownField::host:
            return false;
        case KnownField::te:
            takes_trailers_ = takes_trailers_ || has_member(field.value, "trailers");
            return false;
        case KnownField::upgrade:
            return head_.wants_upgrade;
        case KnownField::authorization:
            return rules_.user.empty();
        case KnownField::expect: // RFC 9110 10.1.1
            return !head_.is_http_1_0;
        default:
            return !is_hop_by_hop(known.field) &&
                   !(names_fields_ && names_field(head_.fields, field.name));
        }
    }

    bool passes_forwarding(KnownName known, std::string_view value)
    {
        if (!rules_.trusts_visitor || known.is_misspelt)
            return false;
        switch (known.field) {
        case KnownField::forwarded:
            said_.add_forwarded(value);
            return false;
        case KnownField::x_forwarded_for:
            said_.add_for(value);
            return false;
        case KnownField::x_forwarded_host:
            said_.host = value;
            return !value.empty();
        case KnownField::x_forwarded_proto:
            said_.scheme = value;
            return !value.empty();
        case KnownField::x_forwarded_user:
            return rules_.user.empty();
        default:
            return true;
        }
    }

    void write_connection()
    {
        takes_trailers_ = takes_trailers_ && !head_.is_http_1_0;
        if (takes_trailers_)
            append_field(out_, "TE", "trailers");
        const std::string_view options = head_.is_http_1_0      ? "keep-alive"
                                         : !head_.wants_upgrade ? (takes_trailers_ ? "TE" : "")
                                         : takes_trailers_      ? "upgrade, TE"
                                                                : "upgrade";
        if (!options.empty())
            append_field(out_, "Connection", options);
    }

    void write_forwarding()
    {
        const ForwardedFor visitor{rules_.visitor_address, head_.host_text, rules_.scheme};
        if (const std::string all = x_forwarded_for(said_, visitor); !all.empty())
            append_field(out_, "X-Forwarded-For", all);
        if (said_.host.empty() && !head_.host_text.empty())
            append_field(out_, "X-Forwarded-Host", head_.host_text);
        if (said_.scheme.empty())
            append_field(out_, "X-Forwarded-Proto", rules_.scheme);
        append_field(out_, "Forwarded", forwarded(said_, visitor));
    }

    std::string& out_;
    const RequestHead& head_;
    const ForwardRules& rules_;
    const bool names_fields_;
    bool takes_trailers_ = false;
    SaidBefore said_; // by a visitor who is trusted
};

bool has_no_content(unsigned status)
{
    return status < 200 || status == 204;
}

bool passes(const ResponseHead& head, const HeaderField& field, bool some_are_named)
{
    const KnownField known = known_name(field.name).field;
    switch (known) {
    case KnownField::content_length:
    case KnownField::transfer_encoding: // RFC 9110 8.6, RFC 9112 6.1
        return !has_no_content(head.status);
    case KnownField::upgrade:
        return head.is_upgrade || head.status == upgrade_required;
    default:
        return !is_hop_by_hop(known) && !(some_are_named && names_field(head.fields, field.name));
    }
}

// What the Connection header of a response says; empty: there is none.
std::string_view options_of(const ResponseHead& head, bool keep_alive, bool visitor_is_http_1_0)
{
    if (head.is_interim)
        return {};
    if (head.is_upgrade)
        return "upgrade";
    if (head.status == upgrade_required)
        return keep_alive ? "upgrade" : "upgrade, close";
    if (!keep_alive)
        return "close";
    return visitor_is_http_1_0 ? "keep-alive" : "";
}

} // namespace

void append_request(std::string& out, const RequestHead& head, const ForwardRules& rules)
{
    RequestWriter(out, head, rules).write();
}

void append_response(std::string& out, const ResponseHead& head, bool keep_alive,
                     bool visitor_is_http_1_0)
{
    if (head.is_interim && visitor_is_http_1_0)
        return;
    out.append("HTTP/1.1 ");
    const auto digit = [&out](unsigned value) {
        out.push_back(static_cast<char>('0' + value % 10));
    };
    digit(head.status / 100);
    digit(head.status / 10);
    digit(head.status);
    out.append(" ").append(head.reason).append(line_end);
    const bool some_are_named = names_fields(head.fields);
    for (const HeaderField& field : head.fields) {
        if (passes(head, field, some_are_named))
            append_field(out, field.name, field.value);
    }
    if (const std::string_view options = options_of(head, keep_alive, visitor_is_http_1_0);
        !options.empty())
        append_field(out, "Connection", options);
    out.append(line_end);
}

} // namespace tunnel
