#include "common/http/http_connect.hpp"

#include <algorithm>

#include <fmt/format.h>
#include <openssl/evp.h>

#include "common/http/field_names.hpp"
#include "common/http/head_parser.hpp"
#include "common/http/response_head.hpp"

namespace tunnel {

namespace {

using AnswerIs = ProxyAnswer::Is;

std::string encode_base64(std::string_view text)
{
    std::string encoded((text.size() + 2) / 3 * 4 + 1, '\0'); // with the zero that is written too
    const int size = ::EVP_EncodeBlock(reinterpret_cast<unsigned char*>(encoded.data()),
                                       reinterpret_cast<const unsigned char*>(text.data()),
                                       static_cast<int>(text.size()));
    encoded.resize(static_cast<std::size_t>(size));
    return encoded;
}

// What stands in the request for the target: a zone means something on this machine alone.
std::string authority_of(const Address& target)
{
    return to_string(
        Address{target.host.empty() ? "localhost" : target.host.substr(0, target.host.find('%')),
                target.port});
}

bool takes_basic(const HeadLines& lines)
{
    return std::ranges::any_of(lines.fields, [](const HeaderField& field) {
        if (known_name(field.name).field != KnownField::proxy_authenticate)
            return false;
        std::string_view challenges = field.value;
        while (!challenges.empty()) {
            const std::string_view challenge = take_member(challenges);
            if (same_word(challenge.substr(0, challenge.find(' ')), "Basic"))
                return true;
        }
        return false;
    });
}

ProxyAnswer refusal(const HeadLines& lines)
{
    constexpr std::size_t longest_reason = 64;
    const std::string_view reason = lines.reason.substr(0, longest_reason);
    std::string text =
        fmt::format("it answers {}{}{}", lines.status, reason.empty() ? "" : " ", reason);
    if (lines.status == 407) {
        if (!takes_basic(lines))
            text += ", and does not take Basic, the only login that is spoken here";
        return {AnswerIs::login_refused, 0, std::move(text)};
    }
    if (lines.status == 403)
        text += "; many proxies let out port 443 only";
    else if (lines.status >= 502 && lines.status <= 504)
        text += ", so it cannot reach the remote proxy";
    return {AnswerIs::refused, 0, std::move(text)};
}

} // namespace

std::string http_connect_request(const Address& target, const ForwardProxy& proxy)
{
    const std::string authority = authority_of(target);
    std::string request = fmt::format("CONNECT {0} HTTP/1.1\r\nHost: {0}\r\n", authority);
    if (proxy.has_login())
        request += fmt::format("Proxy-Authorization: Basic {}\r\n",
                               encode_base64(fmt::format("{}:{}", proxy.user, proxy.password)));
    return request + "\r\n";
}

ProxyAnswer HttpConnectAnswer::read(std::string_view bytes)
{
    for (;;) {
        const std::string_view head = bytes.substr(begin_, largest_head - begin_);
        const HeadSearch search = find_response_head(head, searched_);
        if (search.is == HeadSearch::Is::wrong)
            return {AnswerIs::wrong, 0, search.problem.text};
        if (search.is == HeadSearch::Is::incomplete) {
            searched_ = search.size;
            if (begin_ + head.size() >= largest_head)
                return {AnswerIs::wrong, 0, "its answers do not end"};
            return {};
        }
        HeadLines lines;
        if (const auto problem = split_response_head(head.substr(0, search.size), lines))
            return {AnswerIs::wrong, 0, problem->text};
        // What a 200 says of its body has no meaning: RFC 9110 9.3.6.
        if (lines.status == 200)
            return {AnswerIs::agreed, begin_ + search.size};
        const bool is_interim = lines.status >= 100 && lines.status < 200 && lines.status != 101;
        if (!is_interim)
            return refusal(lines);
        begin_ += search.size;
        searched_ = 0;
    }
}

} // namespace tunnel
