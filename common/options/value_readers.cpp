#include "common/options/value_readers.hpp"

#include <utility>

#include <fmt/format.h>

#include "common/options/key_names.hpp"
#include "common/options/value_hints.hpp"

namespace tunnel {

namespace {

constexpr std::string_view address_form = "HOST:PORT";
constexpr std::string_view duration_form = "DURATION";
constexpr std::string_view number_form = "N";
constexpr std::string_view name_form = "NAME";

void read_not_empty(const std::string& text, std::string& value, std::string_view expected)
{
    if (text.empty())
        refuse_text(text, expected);
    value = text;
}

ValueReader within(std::string bounds, ValueReader reader)
{
    reader.bounds = std::move(bounds);
    return reader;
}

} // namespace

std::vector<std::string> split_values(std::string_view text)
{
    std::vector<std::string> all;
    for (;;) {
        const std::size_t end = text.find_first_of(",\n");
        all.emplace_back(text.substr(0, end));
        if (end == std::string_view::npos)
            return all;
        text.remove_prefix(end + 1);
    }
}

ValueReader as_text(std::string_view syntax, std::function<void(const std::string& text)> read,
                    std::string_view if_absent)
{
    return {std::string(syntax), std::string(if_absent), std::move(read)};
}

ValueReader as_list(std::string_view syntax, std::function<void(const std::string& text)> read)
{
    ValueReader reader = as_text(syntax, std::move(read));
    reader.is_list = true;
    return reader;
}

ValueReader as_each(std::string_view syntax, std::function<void(std::string_view text)> read)
{
    return as_list(syntax, [read = std::move(read)](const std::string& text) {
        for (const std::string& each : split_values(text))
            read(each);
    });
}

ValueReader as_address(Address& value)
{
    return as_text(address_form, [&value](const std::string& text) { value = read_address(text); });
}

ValueReader as_address(std::optional<Address>& value)
{
    return as_text(address_form, [&value](const std::string& text) { value = read_address(text); });
}

ValueReader as_server_address(ServerAddress& value)
{
    return as_text("HOST:PORT|unix:PATH",
                   [&value](const std::string& text) { value = read_server_address(text); });
}

ValueReader as_duration(milliseconds& value, milliseconds lowest)
{
    const auto read = [&value, lowest](const std::string& text) {
        value = read_duration(text, lowest);
    };
    return within(lowest.count() == 0 ? "" : fmt::format("at least {}", to_string(lowest)),
                  as_text(duration_form, read, to_string(value)));
}

ValueReader as_duration(microseconds& value)
{
    const auto read = [&value](const std::string& text) {
        const auto parsed = parse_duration(text);
        if (!parsed)
            refuse_text(text, "a duration such as 50us or 1ms, or 0",
                        hint_for_duration(text, microseconds(1), microseconds(0)));
        value = *parsed;
    };
    return as_text(duration_form, read, to_string(value));
}

ValueReader as_number(std::uint32_t& value, std::uint32_t lowest, std::uint32_t highest)
{
    const auto read = [&value, lowest, highest](const std::string& text) {
        value = read_number(text, lowest, highest);
    };
    return within(fmt::format("{} to {}", lowest, highest),
                  as_text(number_form, read, std::to_string(value)));
}

ValueReader as_limit(std::optional<std::uint32_t>& value)
{
    const auto read = [&value](const std::string& text) {
        value = parse_number(text);
        if (!value)
            refuse_text(text, "a whole number");
    };
    return as_text(number_form, read, no_limit);
}

ValueReader as_limit_or_off(std::optional<std::uint32_t>& value, std::uint32_t highest)
{
    const auto read = [&value, highest](const std::string& text) {
        value = text == "off" ? std::nullopt : std::optional(read_number(text, 1, highest));
    };
    return within(fmt::format("1 to {}, or off", highest), as_text(number_form, read, no_limit));
}

ValueReader as_number_or_auto(std::optional<std::uint32_t>& value, std::uint32_t highest)
{
    const auto read = [&value, highest](const std::string& text) {
        value = parse_number(text);
        if (text != "auto" && (!value || *value > highest))
            refuse_text(text, fmt::format("auto or a whole number up to {}", highest));
    };
    return within(fmt::format("0 to {}, or auto", highest), as_text(number_form, read, "auto"));
}

ValueReader as_rate(std::optional<std::uint64_t>& value)
{
    return as_text(
        "RATE", [&value](const std::string& text) { value = read_rate(text); }, "off");
}

ValueReader as_name(std::string& value)
{
    return as_text(name_form,
                   [&value](const std::string& text) { read_not_empty(text, value, "a name"); });
}

ValueReader as_plain_name(std::string& value)
{
    const auto read = [&value](const std::string& text) {
        if (!is_plain_name(text))
            refuse_text(text, "a name of 1 to 64 letters, digits, dots, dashes and underscores");
        value = text;
    };
    return as_text(name_form, read, value);
}

ValueReader as_file(std::string& value)
{
    ValueReader reader = as_text("FILE", [&value](const std::string& text) {
        read_not_empty(text, value, "the name of a file");
    });
    reader.file = ValueReader::File::read;
    return reader;
}

ValueReader as_written_file(std::string& value)
{
    ValueReader reader = as_file(value);
    reader.file = ValueReader::File::written;
    return reader;
}

ValueReader as_switch(bool& value)
{
    ValueReader reader;
    reader.is_on = &value;
    return reader;
}

ValueReader as_networks(std::vector<Cidr>& value)
{
    return as_list("CIDR[,CIDR...]",
                   [&value](const std::string& text) { read_networks(text, value); });
}

ValueReader as_replaced_networks(std::vector<Cidr>& value)
{
    ValueReader reader = as_networks(value);
    reader.clear = [&value] { value.clear(); };
    return reader;
}

} // namespace tunnel
