#include "common/base/log_limits.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace tunnel::log {

namespace {

constexpr std::size_t most_entries = 2048;

// Lines that collect() gives at once; what is left is summed up in one.
constexpr std::size_t most_told = 20;

// Between message and peer; no message has it.
constexpr char separator = '\0';

constexpr auto until_told = std::chrono::seconds(10);
constexpr auto between_forgetting = std::chrono::seconds(1);

// Time, level, and what stands around the fields.
constexpr std::size_t around_a_line = 40;

// Empty: there is none.
std::string_view text_of(Fields fields, std::string_view key)
{
    const auto found = std::ranges::find(fields, key, &Field::key);
    if (found == fields.end())
        return {};
    const auto* const text = std::get_if<std::string_view>(&found->value);
    return text != nullptr ? *text : std::string_view();
}

// "192.0.2.1:80" and "[2001:db8::1]:80" without the port; "/path" and "name" as they are.
std::string_view without_port(std::string_view address)
{
    const auto colon = address.rfind(':');
    const bool is_port =
        colon != std::string_view::npos && colon + 1 < address.size() &&
        std::ranges::all_of(address.substr(colon + 1), [](char c) { return c >= '0' && c <= '9'; });
    return is_port ? address.substr(0, colon) : address;
}

// About the bytes that the line will have. Each byte that is not plain is escaped.
double size_of(std::string_view message, Fields fields)
{
    std::size_t size = around_a_line + message.size();
    for (const Field& field : fields) {
        size += field.key.size() + 2;
        if (const auto* const text = std::get_if<std::string_view>(&field.value))
            for (const char byte : *text)
                size += byte >= ' ' && byte <= '~' ? 1 : 4;
        else
            size += 8;
    }
    return static_cast<double>(size);
}

} // namespace

std::string_view peer_of(Fields fields)
{
    const auto told =
        std::ranges::find_if(fields, [](const Field& each) { return !each.peer.empty(); });
    if (told != fields.end())
        return told->peer;
    if (const std::string_view name = text_of(fields, "name"); !name.empty())
        return name;
    for (const std::string_view key : {"origin", "remote", "peer", "visitor", "address", "by"}) {
        if (const std::string_view address = text_of(fields, key); !address.empty())
            return without_port(address);
    }
    return text_of(fields, "service");
}

double Limits::Entry::left_at(Clock::time_point now) const
{
    const double seconds = std::chrono::duration<double>(now - since).count();
    return std::min(left + seconds * budget.each_second, budget.at_once);
}

bool Limits::Entry::take(double size, Clock::time_point now)
{
    left = left_at(now);
    since = now;
    if (left <= 0)
        return false;
    left = std::max(left - size, -budget.at_once);
    return true;
}

std::optional<std::uint64_t> Limits::take(Level level, std::string_view message, Fields fields,
                                          std::string_view peer, Clock::time_point now)
{
    Entry& entry = entry_of(message, fields, peer, now);
    entry.level = level;
    if (entry.take(size_of(message, fields), now))
        return std::exchange(entry.left_out, 0);
    ++entry.left_out;
    if (!due_)
        due_ = now + until_told;
    return std::nullopt;
}

bool Limits::allows(std::string_view message, Fields fields, std::string_view peer,
                    Clock::time_point now)
{
    return entry_of(message, fields, peer, now).take(size_of(message, fields), now);
}

// A peer may have many services, and each deserves a line when it opens and when it closes.
Limits::Entry& Limits::entry_of(std::string_view message, Fields fields, std::string_view peer,
                                Clock::time_point now)
{
    constexpr Budget usual{8 * 1024, 16}; // some 70 lines, then one in some seconds
    constexpr Budget of_services{128 * 1024, 128};
    constexpr Budget of_visitors{256 * 1024, 1024}; // for each of whom a line is wanted
    constexpr Budget of_the_others{64 * 1024, 1024};
    key_.assign(message).append(1, separator).append(peer);
    if (const auto known = entries_.find(key_); known != entries_.end())
        return known->second;
    if (entries_.size() >= most_entries)
        forget_idle(now);
    if (entries_.size() >= most_entries) {
        if (overflow_.budget.at_once == 0)
            overflow_ = {of_the_others, of_the_others.at_once, now};
        return overflow_;
    }
    const Budget budget = !text_of(fields, "visitor").empty()   ? of_visitors
                          : !text_of(fields, "service").empty() ? of_services
                                                                : usual;
    Entry& entry = entries_[key_];
    entry = {budget, budget.at_once, now};
    return entry;
}

// Not more often than now and then, as it looks at all of them.
void Limits::forget_idle(Clock::time_point now)
{
    if (now < forgot_ + between_forgetting)
        return;
    forgot_ = now;
    std::erase_if(entries_, [now](const auto& each) {
        const Entry& entry = each.second;
        return entry.left_out == 0 && entry.left_at(now) >= entry.budget.at_once;
    });
}

std::vector<Limits::LeftOut> Limits::collect(std::optional<Clock::time_point> now)
{
    std::vector<LeftOut> told;
    if (!due_ || (now && *now < *due_))
        return told;
    due_.reset();
    LeftOut others{Level::debug, "", "", std::exchange(overflow_.left_out, 0)};
    if (others.lines > 0)
        others.level = overflow_.level;
    for (auto& [key, entry] : entries_) {
        const std::uint64_t lines = std::exchange(entry.left_out, 0);
        if (lines == 0)
            continue;
        if (told.size() < most_told) {
            const std::size_t end = key.find(separator);
            told.push_back({entry.level, key.substr(0, end), key.substr(end + 1), lines});
        } else {
            others.lines += lines;
            others.level = std::min(others.level, entry.level); // the worst
        }
    }
    if (others.lines > 0)
        told.push_back(std::move(others));
    return told;
}

void Limits::clear()
{
    entries_.clear();
    overflow_ = {};
    due_.reset();
}

} // namespace tunnel::log
