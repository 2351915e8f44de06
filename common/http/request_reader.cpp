// Boost is included as headers alone: Beast's parser needs Boost.Asio's
// buffers, and nothing is linked.
#include "common/http/request_reader.hpp"

#include <algorithm>
#include <limits>
#include <utility>

#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <fmt/format.h>

#include "common/http/target.hpp"

namespace tunnel {

namespace http = boost::beast::http;

namespace {

using Problem = RequestReader::Problem;

constexpr std::size_t longest_host = 260;
constexpr int most_empty_lines = 8; // before a request
constexpr std::string_view end_of_head = "\r\n\r\n";

Problem problem_of(const boost::system::error_code& error)
{
    if (error == http::error::body_limit)
        return {413, "the body of the request is too long"};
    if (error == http::error::bad_version)
        return {505, "HTTP/1.1 is spoken here"};
    return {400, error.message()};
}

std::string text(boost::beast::string_view view)
{
    return {view.data(), view.size()};
}

Method method_of(http::verb verb)
{
    switch (verb) {
    case http::verb::get:
        return Method::get;
    case http::verb::head:
        return Method::head;
    case http::verb::post:
        return Method::post;
    case http::verb::put:
        return Method::put;
    case http::verb::patch:
        return Method::patch;
    case http::verb::delete_:
        return Method::remove;
    case http::verb::options:
        return Method::options;
    case http::verb::trace:
        return Method::trace;
    default:
        return Method::unknown;
    }
}

bool is_host_text(std::string_view host)
{
    static constexpr std::string_view others = ".:_[]-";
    return host.size() <= longest_host && std::ranges::all_of(host, [](char c) {
               return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
                      others.find(c) != std::string_view::npos;
           });
}

// As far as it is there, the lines of a head: no control characters, and each end whole.
bool is_text(std::string_view head)
{
    for (std::size_t i = 0; i < head.size(); ++i) {
        const char c = head[i];
        const bool ends_line = c == '\n' && i > 0 && head[i - 1] == '\r';
        const bool is_control = static_cast<unsigned char>(c) < ' ' || c == '\x7f';
        if (is_control && !ends_line && c != '\r' && c != '\t')
            return false;
    }
    return true;
}

bool is_number(boost::beast::string_view text)
{
    return !text.empty() && std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

// As far as it is there, the first line. Who speaks another protocol need not wait for an answer
// until a head would have come.
bool names_http(std::string_view head)
{
    const std::size_t end = head.find("\r\n");
    return end == std::string_view::npos ||
           head.substr(0, end).find(" HTTP/") != std::string_view::npos;
}

// Some parsers still take a line that begins with a space as a continuation of the one before.
bool has_folded_line(std::string_view head)
{
    return head.find("\n ") != std::string_view::npos ||
           head.find("\n\t") != std::string_view::npos;
}

} // namespace

struct RequestReader::Parser {
    http::request_parser<http::string_body> of_beast;
};

RequestReader::RequestReader() : RequestReader(Limits()) {}

RequestReader::RequestReader(const Limits& limits) : limits_(limits) {}

RequestReader::RequestReader(RequestReader&&) noexcept = default;

RequestReader::~RequestReader() = default;

RequestReader::Progress RequestReader::put(std::string_view bytes)
{
    pending_ += bytes;
    return read();
}

RequestReader::Progress RequestReader::next()
{
    parser_.reset();
    request_ = {};
    empty_lines_ = 0;
    progress_ = Progress::none;
    return read();
}

RequestReader::Progress RequestReader::read()
{
    if (progress_ == Progress::wrong) {
        pending_.clear();
        return progress_;
    }
    if (progress_ == Progress::whole)
        return progress_;
    if (!parser_) {
        if (!skip_empty_lines())
            return fail({400, "there are many empty lines, and no request"});
        if (pending_.empty() || pending_ == "\r")
            return progress_;
        parser_ = std::make_unique<Parser>();
        parser_->of_beast.header_limit(static_cast<std::uint32_t>(limits_.head + 1));
        // Not none: Beast takes that for 0.
        parser_->of_beast.body_limit(limits_.heads_only ? std::numeric_limits<std::uint64_t>::max()
                                                        : limits_.body);
        parser_->of_beast.eager(false);
        progress_ = Progress::head;
    }
    if (progress_ == Progress::head && !read_head())
        return progress_;
    while (progress_ == Progress::body && !limits_.heads_only && read_body())
        ;
    if (progress_ == Progress::body && limits_.heads_only)
        pending_.clear();
    return progress_;
}

// Some clients end a body with an empty line that belongs to nothing (RFC 9112 2.2). Whether there
// are no more of them than that explains.
bool RequestReader::skip_empty_lines()
{
    std::size_t size = 0;
    for (;;) {
        const auto rest = std::string_view(pending_).substr(size);
        const std::size_t line = rest.starts_with("\r\n") ? 2 : rest.starts_with('\n') ? 1 : 0;
        if (line == 0)
            break;
        size += line;
        if (++empty_lines_ > most_empty_lines)
            return false;
    }
    pending_.erase(0, size);
    return true;
}

// Whether the head is complete.
bool RequestReader::read_head()
{
    // Beast gets the whole head at once, so that it does not matter how its bytes came.
    const std::string_view window = std::string_view(pending_).substr(0, limits_.head);
    const std::size_t end = window.find(end_of_head);
    if (!is_text(window.substr(0, end)) || !names_http(window)) {
        fail({400, "this is no request of HTTP/1.1"});
        return false;
    }
    if (end == std::string_view::npos) {
        if (window.size() == limits_.head)
            fail({431, "the head of the request is too long"});
        return false;
    }
    const std::string head = pending_.substr(0, end + end_of_head.size());
    pending_.erase(0, head.size());
    auto& parser = parser_->of_beast;
    boost::system::error_code error;
    parser.put(boost::asio::buffer(head), error);
    if (error) {
        fail(problem_of(error));
        return false;
    }
    if (auto problem = objection(head)) {
        fail(std::move(*problem));
        return false;
    }
    const auto& message = parser.get();
    request_.method = method_of(message.method());
    request_.is_http_1_0 = message.version() < 11;
    request_.host.reset();
    if (message.count(http::field::host) > 0)
        request_.host_header = request_.host = text(message[http::field::host]);
    if (!take_target({message.target().data(), message.target().size()})) {
        fail({400, "the target of a request is a path, such as /ping, and what is encoded is well "
                   "so"});
        return false;
    }
    request_.authorization = text(message[http::field::authorization]);
    request_.content_type = text(message[http::field::content_type]);
    request_.has_body = parser.chunked() || parser.content_length().value_or(0) > 0;
    request_.expects_continue =
        request_.has_body && !request_.is_http_1_0 && message.count(http::field::expect) > 0;
    request_.keep_alive = message.keep_alive();
    parser.eager(true);
    progress_ = parser.is_done() ? Progress::whole : Progress::body;
    return true;
}

// Whether it is one that can be understood.
bool RequestReader::take_target(std::string_view text)
{
    auto parts = split_request_target(text);
    if (!parts || (parts->authority && !is_host_text(*parts->authority)) ||
        (parts->is_whole_server && request_.method != Method::options))
        return false;
    request_.is_whole_server = parts->is_whole_server;
    request_.target = std::move(parts->path_and_query);
    if (parts->authority) // RFC 9112 3.2.2: it counts, and the header does not
        request_.host = std::move(parts->authority);
    if (limits_.heads_only || request_.is_whole_server)
        return true;
    auto target = parse_target(request_.target);
    if (!target)
        return false;
    request_.segments = std::move(target->segments);
    request_.query = std::move(target->query);
    return true;
}

// Whether there may be more of it at once.
bool RequestReader::read_body()
{
    auto& parser = parser_->of_beast;
    boost::system::error_code error;
    const std::size_t size = parser.put(boost::asio::buffer(pending_), error);
    pending_.erase(0, size);
    if (error && error != http::error::need_more) {
        fail(problem_of(error));
        return false;
    }
    if (parser.is_done()) {
        request_.body = std::move(parser.get().body());
        progress_ = Progress::whole;
        return false;
    }
    return size > 0 && !pending_.empty();
}

// What is wrong with a head that Beast has taken; nullopt: nothing.
std::optional<Problem> RequestReader::objection(std::string_view head) const
{
    const auto& message = parser_->of_beast.get();
    const auto headers = static_cast<std::size_t>(std::distance(message.begin(), message.end()));
    if (headers > limits_.headers)
        return Problem{431, fmt::format("more than {} headers", limits_.headers)};
    if (has_folded_line(head))
        return Problem{400, "a header goes on in the next line"};
    const std::size_t hosts = message.count(http::field::host);
    if (hosts > 1 || (hosts == 0 && message.version() >= 11))
        return Problem{400, "one Host header is expected"};
    const std::string host = text(message[http::field::host]);
    if (!is_host_text(host))
        return Problem{400, "the Host header is no host"};
    if (message.count(http::field::authorization) > 1 ||
        message.count(http::field::content_type) > 1)
        return Problem{400, "a header is there twice"};
    const auto expected = message[http::field::expect];
    if (!expected.empty() && !boost::beast::iequals(expected, "100-continue"))
        return Problem{417, "only 100-continue can be expected"};
    return objection_to_length();
}

// A proxy in front of this must find the same end of the body.
std::optional<Problem> RequestReader::objection_to_length() const
{
    const auto& message = parser_->of_beast.get();
    const auto codings = message.count(http::field::transfer_encoding);
    const auto lengths = message.count(http::field::content_length);
    if (lengths > 1 || (lengths > 0 && codings > 0))
        return Problem{400, "two headers say how long the body is"};
    if (lengths > 0 && !is_number(message[http::field::content_length]))
        return Problem{400, "Content-Length is no number"};
    if (codings == 0)
        return std::nullopt;
    if (message.version() < 11)
        return Problem{400, "there is no Transfer-Encoding in HTTP/1.0"};
    const auto coding = message[http::field::transfer_encoding];
    if (limits_.heads_only && codings == 1 && boost::beast::iequals(coding, "chunked"))
        return std::nullopt;
    // RFC 9112, 6.3, lets a server ask for it. Beast's parser runs into an assertion of its own at
    // trailers that name a Transfer-Encoding, and no client of this needs chunks.
    return Problem{411, "send the body with a Content-Length instead of a Transfer-Encoding"};
}

RequestReader::Progress RequestReader::fail(Problem problem)
{
    problem_ = std::move(problem);
    pending_.clear();
    parser_.reset();
    return progress_ = Progress::wrong;
}

} // namespace tunnel
