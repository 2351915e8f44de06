#include <doctest/doctest.h>

#include <string>

#include "common/security/client_hello.hpp"

using namespace tunnel;

namespace {

std::string two_bytes(std::size_t number)
{
    return {static_cast<char>(number >> 8), static_cast<char>(number & 0xff)};
}

std::string identity(const std::string& text)
{
    return two_bytes(text.size()) + text + std::string(4, '\0');
}

// As the extension has it, with a binder behind the identities.
std::string extension(const std::string& identities)
{
    return two_bytes(identities.size()) + identities + two_bytes(33) + ' ' + std::string(32, 'b');
}

std::vector<std::string_view> read(const std::string& bytes, std::size_t most = 4)
{
    return offered_identities({reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()},
                              most);
}

} // namespace

TEST_CASE("the identities of a hello are read up to the limit")
{
    const std::string three = extension(identity("one") + identity("") + identity("three"));
    CHECK((read(three) == std::vector<std::string_view>{"one", "", "three"}));
    CHECK((read(three, 1) == std::vector<std::string_view>{"one"}));
    CHECK(read(three, 0).empty());
    CHECK(read(extension("")).empty());
}

TEST_CASE("every part of an extension with identities is read without a byte beyond it")
{
    const std::string whole = extension(identity("first") + identity(std::string(300, 'x')));
    for (std::size_t size = 0; size < whole.size(); ++size) {
        const std::string part = whole.substr(0, size);
        const auto found = read(part);
        CHECK(found.size() <= 2);
        if (!found.empty())
            CHECK(found.front() == "first");
    }
    CHECK(read(std::string("\xff\xff\xff\xff", 4)).empty());
    CHECK(read(two_bytes(9) + two_bytes(9) + "short").empty());
}
