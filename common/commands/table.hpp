// What commands print: text in columns, and numbers for people.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace tunnel {

// Each column is as wide as its contents, unless the screen is too narrow. Control characters never
// reach the terminal, and very long cells are cut.
class Table {
public:
    enum class Align : std::uint8_t { left, right };

    struct Column {
        std::string_view title;
        Align align = Align::left;
        // Columns with the highest value are dropped first if the screen is too narrow; 0: never.
        int left_out = 0;
    };

    static constexpr std::size_t widest = 64;
    static constexpr std::size_t any_width = ~std::size_t{0};

    explicit Table(std::vector<Column> columns);

    // As many cells as there are columns.
    void add(const std::vector<std::string>& cells);

    bool empty() const { return rows_.size() == 1; }

    // The titles and the rows, a line for each. With `columns`, long texts are shortened in the
    // middle to fit, and then columns are dropped.
    std::string text(std::size_t columns = any_width) const;

private:
    using Widths = std::vector<std::size_t>; // 0: the column is left out

    Widths widths_for(std::size_t columns) const;

    std::vector<Column> columns_;
    std::vector<std::size_t> widths_;
    std::vector<std::vector<std::string>> rows_; // that of the titles first
};

// "1 visitor", "2 visitors".
std::string counted(std::uint64_t count, std::string_view what);

// "512 B", "1.5 KiB".
std::string human_bytes(std::uint64_t bytes);

// The two largest units of it: "7s", "3m 05s", "2h 00m", "12d 03h".
std::string human_age(double seconds);

// "0.08 ms", "21.3 ms".
std::string human_round_trip(double seconds);

} // namespace tunnel
