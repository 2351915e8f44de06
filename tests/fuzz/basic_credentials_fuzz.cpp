// The Authorization header of a visitor: a name and a password that can be passed on, of which
// OpenSSL's decoder of base64 says the same.
#include <string>
#include <vector>

#include <openssl/evp.h>

#include "common/http/basic_credentials.hpp"
#include "tests/fuzz/input.hpp"

using namespace tunnel;
using namespace tunnel::fuzz;

namespace {

std::string encoded(const std::string& bytes)
{
    std::vector<unsigned char> text((bytes.size() + 2) / 3 * 4 + 1);
    const int size =
        EVP_EncodeBlock(text.data(), reinterpret_cast<const unsigned char*>(bytes.data()),
                        static_cast<int>(bytes.size()));
    return {reinterpret_cast<const char*>(text.data()), static_cast<std::size_t>(size)};
}

bool has_control(std::string_view text)
{
    return std::ranges::any_of(text, [](unsigned char c) { return c < ' ' || c == 0x7f; });
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    const std::string_view header = Input(data, size).text();
    if (const auto read = parse_basic_credentials(header)) {
        const std::string password(read->password.view());
        require(header.size() <= BasicCredentials::longest_header, "the header is not too long");
        require(!read->user.empty() && read->user.find(':') == std::string::npos,
                "there is a name");
        require(!has_control(read->user) && !has_control(password), "nothing controls a terminal");
        require(header.substr(6) == encoded(read->user + ":" + password),
                "there is one way to write it");
    }
    // What an encoder writes is read.
    const std::string text(header.substr(0, 300));
    const std::size_t colon = text.find(':');
    const auto read = parse_basic_credentials("Basic " + encoded(text));
    require(read.has_value() == (colon != std::string::npos && colon > 0 && !has_control(text)),
            "every name and password are read");
    require(!read || text == read->user + ":" + std::string(read->password.view()),
            "they are what they were");
    return 0;
}
