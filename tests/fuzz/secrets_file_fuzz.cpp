// The file of --secrets-file: secrets that can be told apart, or a line that says what is wrong and
// never shows one of them.
#include <cctype>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

#include "remote-proxy/trust/secrets_file.hpp"
#include "tests/fuzz/input.hpp"

using namespace tunnel;
using namespace tunnel::fuzz;

namespace {

struct Outcome {
    std::vector<NamedSecret> secrets;
    std::string error; // empty if there is none
};

Outcome read(std::string_view toml)
{
    try {
        return {parse_secrets(toml, "FILE"), {}};
    } catch (const std::runtime_error& error) {
        require(!std::string_view(error.what()).empty(), "what is wrong is told");
        return {{}, error.what()};
    }
}

bool is_name(std::string_view text)
{
    return !text.empty() && text.size() <= 64 && std::ranges::all_of(text, [](unsigned char c) {
        return (c < 0x80 && std::isalnum(c) != 0) || c == '-' || c == '_' || c == '.';
    });
}

void check(const Outcome& outcome)
{
    if (!outcome.error.empty()) {
        std::string error = outcome.error;
        for (std::size_t at = 0; (at = error.find("…", at)) != std::string::npos;)
            error.erase(at, std::string_view("…").size()); // of the words that are ours
        require(std::ranges::all_of(error, [](unsigned char c) { return c >= ' ' && c < 0x7f; }),
                "what is wrong is told in one printable line");
        return;
    }
    std::set<RandomBytes> ids;
    require(!outcome.secrets.empty(), "a good file has secrets");
    for (const NamedSecret& secret : outcome.secrets) {
        require(is_name(secret.name), "an origin proxy has a name that can be shown");
        require(ids.insert(secret.credential.id).second, "nobody else has its secret");
    }
}

// Another character of the same kind, so that a text is as hard to guess as it was.
char next_of_its_kind(char c)
{
    for (const std::string_view kind :
         {"0123456789", "abcdef", "ghijklmnopqrstuvwxyz", "ABCDEF", "GHIJKLMNOPQRSTUVWXYZ"}) {
        const std::size_t at = kind.find(c);
        if (at != std::string_view::npos)
            return kind[(at + 1) % kind.size()];
    }
    return c;
}

// Whether the text in quotes that ends before `rest` is the name of something, not its value.
bool is_key(std::string_view rest)
{
    const std::size_t next = rest.find_first_not_of(" \t");
    return next != std::string_view::npos && (rest[next] == '=' || rest[next] == '.');
}

// Whether `[` is that of a table's name, not of a list.
bool begins_a_table(std::string_view toml, std::size_t bracket)
{
    const std::size_t last = toml.substr(0, bracket).find_last_not_of(" \t[");
    return last == std::string_view::npos || toml[last] == '\n' || toml[last] == '\r';
}

// The same file with every text in quotes that may be a secret made another one. nullopt: it has
// quotes of a kind that only a whole parser of TOML can tell where they end.
std::optional<std::string> with_other_secrets(std::string_view toml)
{
    if (toml.find('\'') != std::string_view::npos || toml.find('\\') != std::string_view::npos ||
        toml.find("\"\"\"") != std::string_view::npos)
        return std::nullopt;
    std::string other(toml);
    for (std::size_t at = 0; at < other.size(); ++at) {
        if (other[at] == '#')
            at = std::min(other.size(), other.find('\n', at));
        if (at == other.size() || other[at] != '"')
            continue;
        const std::size_t end = other.find_first_of("\"\n", at + 1);
        if (end == std::string::npos || other[end] == '\n') // no TOML from here on
            break;
        const std::size_t before = other.find_last_not_of(" \t\r\n", at == 0 ? at : at - 1);
        const bool value = at > 0 && before != std::string::npos &&
                           std::string_view("=,[").find(other[before]) != std::string_view::npos &&
                           (other[before] != '[' || !begins_a_table(other, before)) &&
                           !is_key(std::string_view(other).substr(end + 1));
        if (value)
            std::transform(&other[at + 1], &other[end], &other[at + 1], next_of_its_kind);
        at = end;
    }
    return other;
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    const std::string_view toml = Input(data, size).text();
    const Outcome outcome = read(toml);
    check(outcome);
    if (const auto other = with_other_secrets(toml)) {
        const Outcome again = read(*other);
        // To look for the secret in the words would find also what is not one: "secret", say.
        // What is wrong with the characters of a secret may be told; the rest does not depend on
        // it.
        require(again.error != outcome.error || again.secrets.size() == outcome.secrets.size(),
                "nor does who has some");
    }
    return 0;
}
