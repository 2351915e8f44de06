#include "common/commands/table.hpp"

#include <algorithm>
#include <array>
#include <cassert>
#include <utility>

#include <fmt/format.h>

#include "common/base/log.hpp"

namespace tunnel {

namespace {

constexpr std::string_view cut = "...";
constexpr std::size_t gap = 2; // between two columns

std::string shown(const std::string& cell)
{
    std::string text = log::escape(cell);
    if (text.size() > Table::widest) {
        text.resize(Table::widest - cut.size());
        text += cut;
    }
    return text.empty() ? "-" : text;
}

// Its beginning and its end, which of an address is the port.
std::string cut_to(const std::string& text, std::size_t width)
{
    if (text.size() <= width)
        return text;
    if (width <= cut.size())
        return text.substr(0, width);
    const std::size_t end = (width - cut.size()) / 2;
    return text.substr(0, width - cut.size() - end) + std::string(cut) +
           text.substr(text.size() - end);
}

std::size_t line_size(const std::vector<std::size_t>& widths)
{
    std::size_t size = 0;
    for (const std::size_t width : widths)
        size += width == 0 ? 0 : width + gap;
    return size < gap ? 0 : size - gap;
}

} // namespace

Table::Table(std::vector<Column> columns) : columns_(std::move(columns)), widths_(columns_.size())
{
    std::vector<std::string> titles;
    for (const Column& column : columns_)
        titles.emplace_back(column.title);
    add(titles);
}

void Table::add(const std::vector<std::string>& cells)
{
    assert(cells.size() == columns_.size());
    std::vector<std::string>& row = rows_.emplace_back();
    for (std::size_t i = 0; i < columns_.size(); ++i) {
        row.push_back(shown(cells.at(i)));
        widths_[i] = std::max(widths_[i], row.back().size());
    }
}

// Shortens texts, the longest first, as long as they stay readable; then drops a column and tries
// again; finally shortens texts to a few letters.
Table::Widths Table::widths_for(std::size_t columns) const
{
    constexpr std::size_t readable = 15;
    constexpr std::size_t least = 6;
    const auto shrink = [&](Widths& widths, std::size_t shortest) {
        while (line_size(widths) > columns) {
            std::size_t longest = columns_.size();
            for (std::size_t i = 0; i < columns_.size(); ++i) {
                const std::size_t lowest = std::max(shortest, columns_[i].title.size());
                if (columns_[i].align == Align::left && widths[i] > lowest &&
                    (longest == columns_.size() || widths[i] > widths[longest]))
                    longest = i;
            }
            if (longest == columns_.size())
                return false;
            --widths[longest];
        }
        return true;
    };
    Widths natural = widths_;
    for (;;) {
        Widths widths = natural;
        if (shrink(widths, readable))
            return widths;
        std::size_t next = columns_.size();
        for (std::size_t i = 0; i < columns_.size(); ++i) {
            if (natural[i] > 0 && columns_[i].left_out > 0 &&
                (next == columns_.size() || columns_[i].left_out > columns_[next].left_out))
                next = i;
        }
        if (next == columns_.size()) {
            shrink(widths, least);
            return widths;
        }
        natural[next] = 0;
    }
}

std::string Table::text(std::size_t columns) const
{
    const Widths widths = columns == any_width ? widths_ : widths_for(columns);
    std::string all;
    for (const std::vector<std::string>& row : rows_) {
        std::string line;
        bool is_first = true;
        for (std::size_t i = 0; i < columns_.size(); ++i) {
            if (widths[i] == 0)
                continue;
            if (!std::exchange(is_first, false))
                line.append(gap, ' ');
            const std::string cell = cut_to(row[i], widths[i]);
            line += columns_[i].align == Align::right ? fmt::format("{:>{}}", cell, widths[i])
                                                      : fmt::format("{:<{}}", cell, widths[i]);
        }
        line.erase(line.find_last_not_of(' ') + 1);
        all += line + '\n';
    }
    return all;
}

std::string counted(std::uint64_t count, std::string_view what)
{
    return fmt::format("{} {}{}", count, what, count == 1 ? "" : "s");
}

std::string human_bytes(std::uint64_t bytes)
{
    constexpr std::array<std::string_view, 6> units{"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    if (bytes < 1024)
        return fmt::format("{} B", bytes);
    double value = static_cast<double>(bytes) / 1024;
    std::size_t unit = 0;
    for (; value >= 1023.95 && unit + 1 < units.size(); ++unit) // which would be shown as 1024.0
        value /= 1024;
    return fmt::format("{:.1f} {}", value, units.at(unit));
}

std::string human_age(double seconds)
{
    // As much as a peer may say.
    const auto whole = static_cast<std::uint64_t>(std::clamp(seconds, 0.0, 1e12));
    const std::uint64_t minutes = whole / 60;
    const std::uint64_t hours = minutes / 60;
    if (hours >= 24)
        return fmt::format("{}d {:02}h", hours / 24, hours % 24);
    if (hours > 0)
        return fmt::format("{}h {:02}m", hours, minutes % 60);
    if (minutes > 0)
        return fmt::format("{}m {:02}s", minutes, whole % 60);
    return fmt::format("{}s", whole);
}

std::string human_round_trip(double seconds)
{
    const double in_milliseconds = std::clamp(seconds, 0.0, 1e6) * 1000;
    return in_milliseconds < 10 ? fmt::format("{:.2f} ms", in_milliseconds)
                                : fmt::format("{:.1f} ms", in_milliseconds);
}

} // namespace tunnel
