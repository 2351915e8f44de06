#include "common/base/code.hpp"

#include <set>

#include <doctest/doctest.h>

#include "common/base/asio.hpp"
#include "common/base/error.hpp"
#include "common/protocol/reason_codes.hpp"

using namespace tunnel;

TEST_CASE("each code has a name of its own, in small letters and underscores, and is found by it")
{
    std::set<std::string_view> names;
    for (std::size_t i = 0; i < code_count; ++i) {
        const auto code = static_cast<Code>(i);
        const std::string_view name = name_of(code);
        CHECK(names.insert(name).second);
        CHECK(name.find_first_not_of("abcdefghijklmnopqrstuvwxyz_") == std::string_view::npos);
        CHECK(parse_code(name) == code);
    }
    CHECK_FALSE(parse_code(""));
    CHECK_FALSE(parse_code("Closed"));
    CHECK_FALSE(parse_code("tomorrow"));
}

TEST_CASE("an error of our own and one of the system have a code")
{
    CHECK(code_of(make_error_code(Errc::heartbeat_timeout)) == Code::heartbeat_timeout);
    CHECK(code_of(make_error_code(Errc::malformed_frame)) == Code::protocol_error);
    CHECK(code_of(make_error_code(Errc::peer_takes_nothing)) == Code::connection_lost);
    CHECK(code_of(asio::error::host_not_found) == Code::host_not_found);
    CHECK(code_of(rejected(Code::in_use)) == Code::in_use);
    CHECK(code_of(asio::error::eof) == Code::connection_lost);
    CHECK(code_of(asio::error::timed_out) == Code::timeout);
    CHECK(code_of(std::make_error_code(std::errc::too_many_files_open)) == Code::no_descriptors);
    CHECK(code_of(std::make_error_code(std::errc::no_link)) == Code::failed);
    CHECK(code_of(std::make_error_code(std::errc::no_link), Code::stranger) == Code::stranger);
}

TEST_CASE("what fails at an origin server is told from what fails elsewhere")
{
    CHECK(code_of_origin_server(asio::error::connection_refused) == Code::origin_server_refused);
    CHECK(code_of_origin_server(asio::error::timed_out) == Code::origin_server_timeout);
    CHECK(code_of_origin_server(asio::error::host_unreachable) == Code::origin_server_unreachable);
    CHECK(code_of_origin_server(make_error_code(Errc::cannot_resolve)) == Code::host_not_found);
    CHECK(code_of_origin_server(asio::error::connection_reset) == Code::origin_server_failed);
}

TEST_CASE("a reason of a later version has a code too")
{
    CHECK(code_of(RejectReason::in_use) == Code::in_use);
    CHECK(code_of(RejectReason{200}) == Code::failed);
    CHECK(code_of(DeclineReason::removed) == Code::removed);
    CHECK(code_of(DeclineReason{200}) == Code::failed);
}
