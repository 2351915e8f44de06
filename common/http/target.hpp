// The target of a request, parsed.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tunnel {

struct Target {
    std::vector<std::string> segments; // of "/a/b" two, decoded; of "/" one that is empty
    std::string query;                 // after the "?", not decoded
};

// One as it came, with nothing decoded.
struct TargetParts {
    std::optional<std::string> authority{}; // host and port, of a whole URL
    std::string path_and_query{}; // of a whole URL without a path, one that begins with "/"
    bool is_whole_server = false; // "*", without a path
};

// nullopt: it is no path and query (RFC 9112 3.2.1, origin-form), or badly encoded, or there would
// be control characters in it. Segments are decoded once, after the path was split, and neither "."
// nor ".." means anything: there is one way to write each path.
std::optional<Target> parse_target(std::string_view text);

// What stands in the first line of a request: a path and query (RFC 9112 3.2.1, origin-form), a
// whole URL of http or https (3.2.2, absolute-form), whose empty path is "/", or "*" (3.2.4,
// asterisk-form). nullopt: it is none of them, names a user, or has characters that must be
// encoded.
std::optional<TargetParts> split_request_target(std::string_view text);

// One segment or value, percent-decoded; nullopt: badly encoded, or with control characters.
std::optional<std::string> decode_segment(std::string_view segment);

// What decode_segment turns back into `text`, and would be understood in a query as well.
std::string encode_segment(std::string_view text);

// The value of this name in a query, decoded; nullopt: there is none, or it is badly encoded.
std::optional<std::string> query_value(std::string_view query, std::string_view name);

} // namespace tunnel
