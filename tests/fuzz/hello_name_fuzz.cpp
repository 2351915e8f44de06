// The name in a ClientHello: it is told with the hello's last byte and stays what it is, and where
// OpenSSL's server reads a hello we see the same name. An input is the stream, or a part of a hello
// around which all else is right.
#include <string>

#include "common/transport/hello_name.hpp"
#include "common/transport/host_name.hpp"
#include "tests/fuzz/input.hpp"
#include "tests/support/hello_oracle.hpp"
#include "tests/support/hello_parts.hpp"

using namespace tunnel;
using namespace tunnel::fuzz;
using namespace tunnel::test;

namespace {

using Found = std::variant<HelloName, NoHello>;

constexpr Found not_whole = NoHello::not_whole;

// What a name that OpenSSL sees has to be for us.
Found found_for(const std::string& name)
{
    const auto canonical = canonical_host_name(name);
    return canonical ? HelloName{*canonical} : HelloName{{}, false};
}

// How many of `bytes` are a hello: the records up to the one in which the message ends, and of that
// one as many as the message needs. Found in another way than the decoder does.
std::size_t end_of_hello(std::string_view bytes)
{
    std::string message;
    for (std::size_t at = 0; at + 5 <= bytes.size();) {
        const std::size_t end = at + 5 + big_endian(bytes.substr(at + 3, 2));
        for (at += 5; at < std::min(end, bytes.size()); ++at) {
            message += bytes[at];
            if (message.size() >= 4 &&
                message.size() == 4 + big_endian(std::string_view(message).substr(1, 3)))
                return at + 1;
        }
    }
    return 0;
}

void check_beginnings(std::string_view bytes, const Found& found)
{
    std::size_t size = 0;
    while (size < bytes.size() && find_hello_name(bytes.substr(0, size)) == not_whole)
        ++size;
    require(find_hello_name(bytes.substr(0, size)) == found, "an answer stays when more comes");
    const std::string longer = std::string(bytes) + std::string(most_hello_bytes, '\x16');
    const Found later = find_hello_name(longer);
    require(later != not_whole, "nobody is waited for without a bound");
    require(found == not_whole || later == found, "what follows does not matter");
    if (const auto* const hello = std::get_if<HelloName>(&found)) {
        require(size == end_of_hello(bytes), "a hello is whole with its last byte, not before");
        require(hello->is_valid || hello->name.empty(), "what is not valid is not told");
        require(hello->name.empty() || canonical_host_name(hello->name) == hello->name,
                "a name is canonical");
    }
}

void check_against_openssl(std::string_view bytes, const Found& found, bool records_are_ours)
{
    static const HelloOracle oracle;
    const SeenHello seen = oracle.look_at(bytes);
    if (!seen.is_read)
        return;
    // It takes empty records, for one, which we do not. It gives an empty name for none.
    const bool is_hello = std::holds_alternative<HelloName>(found);
    require(is_hello || !records_are_ours, "a hello that OpenSSL reads is one");
    require(found != not_whole, "a hello that OpenSSL reads is whole");
    if (!is_hello)
        return;
    const Found expected = seen.extension ? found_for(seen.name) : HelloName{};
    require(found == expected, "we see the name that OpenSSL sees");
}

std::string hello_around(std::string_view part, std::uint8_t choice)
{
    switch (choice % 4) {
    case 1: // all that a message has behind its header
        return hello_message(part);
    case 2: // extensions
        return hello_with(extension(43, "\x02\x03\x03") + std::string(part));
    default: // the content of a server_name
        return hello_with(extension(0, part) + extension(43, "\x02\x03\x04"));
    }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    Input input(data, size);
    const std::uint8_t choice = input.choice();
    std::string bytes(input.text());
    const bool is_stream = choice % 4 == 0;
    if (!is_stream) {
        const std::string message = hello_around(bytes, choice);
        bytes =
            in_records(message, choice < 128 ? 1 << 14 : message.size() / (choice % 32 + 1) + 1);
        require(message.size() > largest_hello_message || find_hello_name(bytes) != not_whole,
                "a whole message gets an answer");
    }
    const Found found = find_hello_name(bytes);
    check_beginnings(bytes, found);
    const bool is_large = found == Found(NoHello::too_large);
    check_against_openssl(bytes, found, !is_stream && !is_large);
    return 0;
}
