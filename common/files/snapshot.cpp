#include "common/files/snapshot.hpp"

#include <cstring>
#include <stdexcept>
#include <type_traits>
#include <utility>

namespace tunnel {

namespace {

// The largest snapshot; RecordedFiles::encode() makes no larger one.
constexpr std::size_t largest_snapshot = 256 * 1024 * 1024;

class SnapshotWriter {
public:
    // Reserves all memory at once, so that growing leaves no copies behind.
    explicit SnapshotWriter(std::size_t size) { bytes_.reserve(size); }

    template <class Number>
    void number(Number value)
    {
        static_assert(std::is_trivially_copyable_v<Number>);
        bytes_.append(reinterpret_cast<const char*>(&value), sizeof value);
    }

    void text(std::string_view value)
    {
        number(static_cast<std::uint32_t>(value.size()));
        bytes_.append(value);
    }

    std::string take() { return std::move(bytes_); }

private:
    std::string bytes_;
};

class SnapshotReader {
public:
    explicit SnapshotReader(std::string_view bytes) : rest_(bytes) {}

    // False: it has ended.
    template <class Number>
    bool number(Number& value)
    {
        static_assert(std::is_trivially_copyable_v<Number>);
        if (rest_.size() < sizeof value)
            return false;
        std::memcpy(&value, rest_.data(), sizeof value);
        rest_.remove_prefix(sizeof value);
        return true;
    }

    bool text(std::string& value)
    {
        std::uint32_t size = 0;
        if (!number(size) || rest_.size() < size)
            return false;
        value.assign(rest_.substr(0, size));
        rest_.remove_prefix(size);
        return true;
    }

    bool at_end() const { return rest_.empty(); }

private:
    std::string_view rest_;
};

enum class Entry : std::uint8_t { text, failure, status, names };

PrivateText copy_of(const PrivateText& text)
{
    return PrivateText(std::string(text.view()));
}

} // namespace

PrivateText RecordedFiles::read(const std::string& path, std::size_t limit)
{
    if (const auto known = read_.find(path); known != read_.end() && !known->second.failed) {
        if (known->second.text.view().size() > limit)
            too_large(path, limit);
        return copy_of(known->second.text);
    }
    try {
        PrivateText text = source_.read(path, limit);
        read_.insert_or_assign(path, Read{false, copy_of(text)});
        return text;
    } catch (const std::runtime_error& error) {
        read_.insert_or_assign(path, Read{true, PrivateText(error.what())});
        throw;
    }
}

FileStatus RecordedFiles::status(const std::string& path)
{
    return status_[path] = source_.status(path);
}

std::vector<std::string> RecordedFiles::names_in(const std::string& folder)
{
    return names_[folder] = source_.names_in(folder);
}

PrivateText RecordedFiles::encode() const
{
    constexpr std::size_t most_of_small = 64; // bytes, of an entry beside its texts
    std::size_t size = 0;
    for (const auto& [path, read] : read_)
        size += path.size() + read.text.view().size() + most_of_small;
    for (const auto& [path, status] : status_)
        size += path.size() + sizeof status + most_of_small;
    for (const auto& [folder, names] : names_) {
        size += folder.size() + most_of_small;
        for (const std::string& name : names)
            size += name.size() + most_of_small;
    }
    if (size > largest_snapshot)
        throw std::runtime_error("the files are too large together");
    SnapshotWriter writer(size);
    for (const auto& [path, read] : read_) {
        writer.number(read.failed ? Entry::failure : Entry::text);
        writer.text(path);
        writer.text(read.text.view());
    }
    for (const auto& [path, status] : status_) {
        writer.number(Entry::status);
        writer.text(path);
        for (const std::uint64_t number :
             {status.device, status.inode, static_cast<std::uint64_t>(status.mode),
              static_cast<std::uint64_t>(status.size), static_cast<std::uint64_t>(status.modified)})
            writer.number(number);
    }
    for (const auto& [folder, names] : names_) {
        writer.number(Entry::names);
        writer.text(folder);
        writer.number(static_cast<std::uint32_t>(names.size()));
        for (const std::string& name : names)
            writer.text(name);
    }
    return PrivateText(writer.take());
}

std::optional<Snapshot> Snapshot::decode(std::string_view bytes)
{
    Snapshot made;
    SnapshotReader reader(bytes);
    while (!reader.at_end()) {
        Entry entry{};
        std::string path;
        if (!reader.number(entry) || !reader.text(path))
            return std::nullopt;
        switch (entry) {
        case Entry::text:
        case Entry::failure: {
            std::string text;
            if (!reader.text(text))
                return std::nullopt;
            made.read_.insert_or_assign(
                path, Read{entry == Entry::failure, PrivateText(std::move(text))});
            break;
        }
        case Entry::status: {
            FileStatus& status = made.status_[path];
            std::uint64_t mode = 0;
            std::uint64_t size = 0;
            std::uint64_t modified = 0;
            if (!reader.number(status.device) || !reader.number(status.inode) ||
                !reader.number(mode) || !reader.number(size) || !reader.number(modified))
                return std::nullopt;
            status.mode = static_cast<std::uint32_t>(mode);
            status.size = static_cast<std::int64_t>(size);
            status.modified = static_cast<std::int64_t>(modified);
            break;
        }
        case Entry::names: {
            std::uint32_t count = 0;
            if (!reader.number(count))
                return std::nullopt;
            std::vector<std::string>& names = made.names_[path];
            for (; count > 0; --count) {
                if (!reader.text(names.emplace_back()))
                    return std::nullopt;
            }
            break;
        }
        default:
            return std::nullopt;
        }
    }
    return made;
}

PrivateText Snapshot::read(const std::string& path, std::size_t limit)
{
    const auto found = read_.find(path);
    if (found == read_.end())
        cannot_read(path, "it was not named when the files were read");
    if (found->second.failed)
        throw std::runtime_error(std::string(found->second.text.view()));
    if (found->second.text.view().size() > limit)
        too_large(path, limit);
    return copy_of(found->second.text);
}

FileStatus Snapshot::status(const std::string& path)
{
    const auto found = status_.find(path);
    return found == status_.end() ? FileStatus() : found->second;
}

std::vector<std::string> Snapshot::names_in(const std::string& folder)
{
    const auto found = names_.find(folder);
    return found == names_.end() ? std::vector<std::string>() : found->second;
}

PrivateText UnreadableFiles::read(const std::string& path, std::size_t limit)
{
    static_cast<void>(limit);
    cannot_read(path, reason_);
}

FileStatus UnreadableFiles::status(const std::string& path)
{
    static_cast<void>(path);
    return {};
}

std::vector<std::string> UnreadableFiles::names_in(const std::string& folder)
{
    static_cast<void>(folder);
    return {};
}

} // namespace tunnel
