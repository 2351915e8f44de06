// Another opinion of where a message ends: Boost.Beast's, which finds heads and bodies in its own
// way.
#pragma once

#include <optional>
#include <string_view>

#include <boost/beast/http/basic_parser.hpp>

namespace tunnel::fuzz {

// Takes everything that it is told.
template <bool is_request>
class BeastMessage final : public boost::beast::http::basic_parser<is_request> {
public:
    using Error = boost::beast::error_code;
    using View = boost::beast::string_view;

    explicit BeastMessage(bool has_no_body = false)
    {
        this->header_limit(1U << 20U);
        this->body_limit(boost::none);
        this->eager(true);
        this->skip(has_no_body);
    }

    // How long the message is that `bytes` begin with; nullopt: longer than they are, or there is
    // something that Beast does not take.
    std::optional<std::size_t> end_in(std::string_view bytes)
    {
        std::size_t taken = 0;
        while (!this->is_done()) {
            Error error;
            const std::size_t size = this->put(
                boost::asio::const_buffer(bytes.data() + taken, bytes.size() - taken), error);
            taken += size;
            // It may not be asked again without more bytes: it has an assertion about that.
            failed_ = error && error != boost::beast::http::error::need_more;
            if (error || (size == 0 && !this->is_done()))
                return std::nullopt;
        }
        return taken;
    }

    bool failed() const { return failed_; }

private:
    void on_request_impl(boost::beast::http::verb /*method*/, View /*method*/, View /*target*/,
                         int /*version*/, Error& error) override
    {
        error = {};
    }

    void on_response_impl(int /*status*/, View /*reason*/, int /*version*/, Error& error) override
    {
        error = {};
    }

    void on_field_impl(boost::beast::http::field /*known*/, View /*name*/, View /*value*/,
                       Error& error) override
    {
        error = {};
    }

    void on_header_impl(Error& error) override { error = {}; }

    void on_body_init_impl(const boost::optional<std::uint64_t>& /*length*/, Error& error) override
    {
        error = {};
    }

    std::size_t on_body_impl(View body, Error& error) override
    {
        error = {};
        return body.size();
    }

    void on_chunk_header_impl(std::uint64_t /*size*/, View /*extensions*/, Error& error) override
    {
        error = {};
    }

    std::size_t on_chunk_body_impl(std::uint64_t /*remain*/, View body, Error& error) override
    {
        error = {};
        return body.size();
    }

    void on_finish_impl(Error& error) override { error = {}; }

    bool failed_ = false;
};

} // namespace tunnel::fuzz
