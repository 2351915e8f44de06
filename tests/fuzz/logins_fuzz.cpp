// The file of basic-auth-file, and what a peer sends of it: logins whose checking has a bound, or
// a line that says what is wrong and never shows a hash.
#include <stdexcept>
#include <string>

#include "common/http/logins.hpp"
#include "tests/fuzz/input.hpp"

using namespace tunnel;
using namespace tunnel::fuzz;

namespace {

bool is_printable(std::string_view text)
{
    return std::ranges::all_of(text, [](unsigned char c) { return c >= ' ' && c < 0x7f; });
}

void check(const Logins& logins)
{
    require(logins.size() >= 1 && logins.size() <= Logins::most_users, "their number has a bound");
    for (const std::string& line : logins.lines()) {
        const std::size_t colon = line.find(':');
        const std::string hash = line.substr(colon + 1);
        const auto* const found = logins.find(line.substr(0, colon));
        require(found != nullptr && found->hash == hash, "each is found by its name");
        require(colon > 0 && colon <= Logins::longest_user, "a name has a bound");
        require(is_printable(hash) && hash.front() == '$', "a hash is one");
        const std::string words = hash.substr(0, 10);
        require(!words.starts_with("$2") || words.substr(4, 2) <= "14", "bcrypt has a bound");
    }
    require(Logins::of_lines(logins.lines()) == logins, "what is sent arrives");
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    const std::string_view text = Input(data, size).text();
    try {
        check(Logins::parse(text, "FILE"));
    } catch (const std::runtime_error& error) {
        const std::string_view why = error.what();
        require(why.starts_with("FILE:") && is_printable(why), "what is wrong is one line");
    }
    try {
        check(Logins::of_lines({std::string(text)}));
    } catch (const std::runtime_error& error) {
        require(is_printable(error.what()), "what is wrong is one line");
    }
    return 0;
}
