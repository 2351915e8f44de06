// What a set of files held at one moment, carried from one process to another.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/files/file_source.hpp"

namespace tunnel {

// Reads from `source` and records every answer; the Snapshot then gives the same answers.
class RecordedFiles : public FileSource {
public:
    explicit RecordedFiles(FileSource& source) : source_(source) {}

    PrivateText read(const std::string& path, std::size_t limit) override;
    FileStatus status(const std::string& path) override;
    std::vector<std::string> names_in(const std::string& folder) override;

    // The bytes of the Snapshot.
    PrivateText encode() const;

private:
    struct Read {
        bool failed;
        PrivateText text; // or why it could not be read
    };

    FileSource& source_;
    std::map<std::string, Read> read_;
    std::map<std::string, FileStatus> status_;
    std::map<std::string, std::vector<std::string>> names_;
};

class Snapshot : public FileSource {
public:
    // nullopt: these bytes are not a snapshot.
    static std::optional<Snapshot> decode(std::string_view bytes);

    Snapshot(Snapshot&& other) noexcept
        : read_(std::move(other.read_)),
          status_(std::move(other.status_)),
          names_(std::move(other.names_))
    {
    }

    // A file that it does not hold cannot be read: it was not named when the snapshot was made.
    PrivateText read(const std::string& path, std::size_t limit) override;
    FileStatus status(const std::string& path) override;
    std::vector<std::string> names_in(const std::string& folder) override;

private:
    Snapshot() = default;

    struct Read {
        bool failed;
        PrivateText text;
    };

    std::map<std::string, Read> read_;
    std::map<std::string, FileStatus> status_;
    std::map<std::string, std::vector<std::string>> names_;
};

// Stands for a snapshot that could not be made: every reading fails with this reason.
class UnreadableFiles : public FileSource {
public:
    explicit UnreadableFiles(std::string reason) : reason_(std::move(reason)) {}

    PrivateText read(const std::string& path, std::size_t limit) override;
    FileStatus status(const std::string& path) override;
    std::vector<std::string> names_in(const std::string& folder) override;

private:
    std::string reason_;
};

} // namespace tunnel
