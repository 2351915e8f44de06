// With request_reader.cpp the only file that includes Boost: Beast's parser needs Boost.Asio's
// buffers, and nothing is linked.
#include "common/http/response_reader.hpp"

#include <utility>

#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <fmt/format.h>

namespace tunnel {

namespace http = boost::beast::http;

namespace {

constexpr std::uint32_t longest_head = 16 * 1024;
constexpr std::string_view protocol = "HTTP/1.1 ";
constexpr std::string_view blank_line = "\r\n\r\n";
constexpr const char* kept_header = "Tunnel-Kept";

} // namespace

struct ResponseReader::Parser {
    http::response_parser<http::string_body> of_beast;
};

ResponseReader::ResponseReader(std::size_t longest_body) : parser_(std::make_unique<Parser>())
{
    parser_->of_beast.header_limit(longest_head + 1);
    parser_->of_beast.body_limit(longest_body);
    parser_->of_beast.eager(false);
}

ResponseReader::ResponseReader(ResponseReader&&) noexcept = default;

ResponseReader::~ResponseReader() = default;

ResponseReader::Progress ResponseReader::put(std::string_view bytes)
{
    if (progress_ != Progress::unfinished)
        return progress_;
    pending_ += bytes;
    return read();
}

ResponseReader::Progress ResponseReader::read()
{
    if (!has_head_ && !read_head())
        return progress_;
    auto& parser = parser_->of_beast;
    while (!pending_.empty() && !parser.is_done()) {
        boost::system::error_code error;
        const std::size_t size = parser.put(boost::asio::buffer(pending_), error);
        pending_.erase(0, size);
        if (error && error != http::error::need_more)
            return fail("it is too long");
        if (size == 0)
            break;
    }
    if (!parser.is_done())
        return progress_;
    auto& message = parser.get();
    answer_.status = message.result_int();
    answer_.body = std::move(message.body());
    const auto kept = message[kept_header];
    answer_.kept.assign(kept.data(), kept.size());
    return progress_ = Progress::whole;
}

// Whether the head is complete. Beast gets it in one piece, so that it does not matter how its
// bytes came.
bool ResponseReader::read_head()
{
    const std::string_view start = std::string_view(pending_).substr(0, protocol.size());
    const std::size_t end = std::string_view(pending_).substr(0, longest_head).find(blank_line);
    if (start != protocol.substr(0, start.size()) ||
        (end == std::string_view::npos && pending_.size() >= longest_head)) {
        fail("it is no HTTP/1.1");
        return false;
    }
    if (end == std::string_view::npos)
        return false;
    auto& parser = parser_->of_beast;
    boost::system::error_code error;
    const std::size_t size =
        parser.put(boost::asio::buffer(pending_.data(), end + blank_line.size()), error);
    if (error == http::error::body_limit)
        fail("it is too long");
    else if ((error && error != http::error::need_more) || !parser.is_header_done())
        fail("it is no HTTP/1.1");
    else if (std::string wrong = objection(); !wrong.empty())
        fail(std::move(wrong));
    if (progress_ == Progress::wrong)
        return false;
    pending_.erase(0, size);
    parser.eager(true);
    has_head_ = true;
    return true;
}

// What is wrong with the head; empty: nothing.
std::string ResponseReader::objection() const
{
    const auto& message = parser_->of_beast.get();
    // Beast's parser runs into an assertion of its own at trailers that name a Transfer-Encoding,
    // and no management interface sends chunks.
    if (message.count(http::field::transfer_encoding) > 0 ||
        message.count(http::field::content_length) != 1)
        return "it does not say how long it is";
    return {};
}

ResponseReader::Progress ResponseReader::fail(std::string problem)
{
    problem_ = std::move(problem);
    pending_.clear();
    return progress_ = Progress::wrong;
}

} // namespace tunnel
