#include "common/management/table.hpp"

#include <algorithm>
#include <array>
#include <cassert>
#include <utility>

#include <fmt/format.h>

#include "common/log.hpp"

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

std::string Table::text() const
{
    std::string all;
    for (const std::vector<std::string>& row : rows_) {
        std::string line;
        for (std::size_t i = 0; i < columns_.size(); ++i) {
            if (i > 0)
                line.append(gap, ' ');
            line += columns_[i].align == Align::right ? fmt::format("{:>{}}", row[i], widths_[i])
                                                      : fmt::format("{:<{}}", row[i], widths_[i]);
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
