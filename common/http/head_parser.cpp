// Beast's parser needs Boost.Asio's buffers; nothing is linked.
#include "common/http/head_parser.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include <boost/beast/http/basic_parser.hpp>

namespace tunnel {

namespace beast_http = boost::beast::http;

namespace {

using BeastError = boost::beast::error_code;
using BeastView = boost::beast::string_view;

constexpr std::size_t usual_fields = 24;

// Beast only tells what it finds; it is shown heads, never bodies.
template <bool is_request>
class HeadParser final : public beast_http::basic_parser<is_request> {
public:
    explicit HeadParser(HeadLines& lines) : lines_(lines)
    {
        this->header_limit(largest_head + 1);
        this->skip(true);
        lines_.fields.reserve(usual_fields);
    }

    bool has_too_many_fields() const { return has_too_many_fields_; }

private:
    static std::string_view view(BeastView text) { return {text.data(), text.size()}; }

    void on_request_impl(beast_http::verb /*method*/, BeastView method, BeastView target,
                         int version, BeastError& error) override
    {
        error = {};
        lines_.method = view(method);
        lines_.target = view(target);
        lines_.is_http_1_0 = version < 11;
    }

    void on_response_impl(int status, BeastView reason, int version, BeastError& error) override
    {
        error = {};
        lines_.status = static_cast<unsigned>(status);
        lines_.reason = view(reason);
        lines_.is_http_1_0 = version < 11;
    }

    void on_field_impl(beast_http::field /*known*/, BeastView name, BeastView value,
                       BeastError& error) override
    {
        error = {};
        if (lines_.fields.size() == most_fields) {
            has_too_many_fields_ = true;
            error = beast_http::error::header_limit;
            return;
        }
        lines_.fields.push_back({view(name), view(value)});
    }

    void on_header_impl(BeastError& error) override { error = {}; }

    void on_body_init_impl(const boost::optional<std::uint64_t>& /*length*/,
                           BeastError& error) override
    {
        error = {};
    }

    std::size_t on_body_impl(BeastView body, BeastError& error) override
    {
        error = {};
        return body.size();
    }

    void on_chunk_header_impl(std::uint64_t /*size*/, BeastView /*extensions*/,
                              BeastError& error) override
    {
        error = {};
    }

    std::size_t on_chunk_body_impl(std::uint64_t /*remain*/, BeastView body,
                                   BeastError& error) override
    {
        error = {};
        return body.size();
    }

    void on_finish_impl(BeastError& error) override { error = {}; }

    HeadLines& lines_;
    bool has_too_many_fields_ = false;
};

// `bad` is the status of what is no head.
template <bool is_request>
std::optional<MessageProblem> problem_in_head(const HeadParser<is_request>& parser,
                                              BeastError error, bool is_all_taken, unsigned bad)
{
    if (parser.has_too_many_fields())
        return MessageProblem{is_request ? 431U : bad, "there are too many headers"};
    // The version itself was looked at when the head was searched for.
    if (error == beast_http::error::bad_version && is_request)
        return MessageProblem{bad, "there is a blank in the target of the request"};
    if (error)
        return MessageProblem{bad, error.message()};
    if (!is_all_taken)
        return MessageProblem{bad, "the head ends before its end"};
    return std::nullopt;
}

} // namespace

std::optional<MessageProblem> split_request_head(std::string_view head, HeadLines& lines)
{
    HeadParser<true> parser(lines);
    BeastError error;
    const std::size_t size = parser.put(boost::asio::const_buffer(head.data(), head.size()), error);
    return problem_in_head(parser, error, size == head.size() && parser.is_done(), 400);
}

std::optional<MessageProblem> split_response_head(std::string_view head, HeadLines& lines)
{
    HeadParser<false> parser(lines);
    BeastError error;
    // Many servers leave out the blank before a reason that they do not give either, and all but
    // Beast understand it.
    constexpr std::size_t size_to_status = std::string_view("HTTP/1.1 200").size();
    std::array<char, size_to_status + 3> status_line{};
    std::size_t size = 0;
    if (head.substr(std::min(head.size(), size_to_status)).starts_with("\r\n")) {
        const auto end = std::ranges::copy(head.substr(0, size_to_status), status_line.begin()).out;
        std::ranges::copy(std::string_view(" \r\n"), end);
        parser.put(boost::asio::const_buffer(status_line.data(), status_line.size()), error);
        if (error == beast_http::error::need_more)
            error = {};
        lines.reason = {};
        size = size_to_status + 2;
    }
    if (!error)
        size +=
            parser.put(boost::asio::const_buffer(head.data() + size, head.size() - size), error);
    return problem_in_head(parser, error, size == head.size() && parser.is_done(), 502);
}

} // namespace tunnel
