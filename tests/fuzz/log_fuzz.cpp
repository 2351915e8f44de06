// Text from the network in the log: it neither ends the line nor forges a part of it.
#include <nlohmann/json.hpp>

#include "common/base/log.hpp"
#include "tests/fuzz/input.hpp"

using namespace tunnel;
using namespace tunnel::fuzz;

namespace {

bool is_printable(std::string_view text)
{
    return std::ranges::all_of(text, [](unsigned char c) { return c >= ' ' && c < 0x7f; });
}

bool is_ascii(std::string_view text)
{
    return std::ranges::all_of(text, [](unsigned char c) { return c < 0x80; });
}

// The text of which this is the escaped form.
std::string unescaped(std::string_view escaped)
{
    std::string text;
    while (!escaped.empty()) {
        std::size_t size = 1;
        char byte = escaped[0];
        if (escaped.starts_with("\\x")) {
            size = 4;
            byte = static_cast<char>(std::stoi(std::string(escaped.substr(2, 2)), nullptr, 16));
        } else if (byte == '\\') {
            size = 2;
            byte = escaped.at(1);
        }
        text += byte;
        escaped.remove_prefix(size);
    }
    return text;
}

std::string rendered(log::Format format, std::string_view text, bool colour = false)
{
    return log::render(format, {}, log::Level::info, text,
                       {{"reason", text}, {"bytes", text.size()}}, colour);
}

void check_line(std::string_view text)
{
    constexpr std::string_view before = "1970-01-01T00:00:00.000Z info  ";
    const std::string line = rendered(log::Format::text, text);
    require(is_printable(line), "a line is printable");
    const std::string escaped = log::escape(text);
    require(unescaped(escaped) == text, "escaped text can be read back");

    const std::string last = " bytes=" + std::to_string(text.size());
    std::string_view value(line);
    require(value.starts_with(std::string(before) + escaped + " reason=") && value.ends_with(last),
            "a line is what it should be around the value");
    value.remove_prefix(before.size() + escaped.size() + std::string_view(" reason=").size());
    value.remove_suffix(last.size());
    const bool quoted = value.starts_with('"');
    if (quoted) {
        require(value.size() >= 2 && value.ends_with('"'), "a quoted value ends with a quote");
        value = value.substr(1, value.size() - 2);
    }
    require(value == escaped, "a value is its escaped text");
    require(quoted || (!value.empty() && value.find_first_of(" =\"\\") == std::string_view::npos),
            "a value that needs quotes has them");

    std::string coloured = rendered(log::Format::text, text, true);
    std::erase(coloured, '\x1b');
    require(is_printable(coloured), "colours are the only control characters");
}

void check_json(std::string_view text)
{
    const std::string line = rendered(log::Format::json, text);
    require(is_printable(line), "a line of JSON is printable");
    const auto object = nlohmann::json::parse(line, nullptr, false);
    require(object.is_object() && object.size() == 5, "a line is an object with what was given");
    require(object["bytes"] == text.size(), "a number is a number");
    require(object["reason"].is_string() && object["message"] == object["reason"],
            "texts are strings");
    if (is_ascii(text))
        require(object["reason"] == text, "text in ASCII is unchanged");
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    const std::string_view text = Input(data, size).text();
    check_line(text);
    check_json(text);
    return 0;
}
