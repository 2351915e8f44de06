// Where the program's files are read from: the file system itself or, for a reload inside the
// sandbox, what the file reader process has read.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "common/base/private_text.hpp"

namespace tunnel {

// What stat(2) says about a file, following links. All zeros: there is no file.
struct FileStatus {
    std::uint64_t device = 0;
    std::uint64_t inode = 0;
    std::uint32_t mode = 0;
    std::int64_t size = 0;
    std::int64_t modified = 0; // ns

    bool exists() const { return mode != 0; }

    bool is_folder() const;
    bool is_regular() const;

    bool is_same_file(const FileStatus& other) const
    {
        return exists() && device == other.device && inode == other.inode;
    }

    friend bool operator==(const FileStatus&, const FileStatus&) = default;
};

class FileSource {
public:
    FileSource() = default;
    FileSource(const FileSource&) = delete;
    FileSource& operator=(const FileSource&) = delete;
    virtual ~FileSource() = default;

    // The whole file, as it is. Throws std::runtime_error, which names the path, if it cannot be
    // read or is larger than `limit` bytes.
    virtual PrivateText read(const std::string& path, std::size_t limit) = 0;

    virtual FileStatus status(const std::string& path) = 0;

    // The names in a folder, without a path; none if it cannot be read.
    virtual std::vector<std::string> names_in(const std::string& folder) = 0;
};

// The source that this thread reads from: the file system unless a ReadFrom says otherwise.
FileSource& files();

// Makes this thread read from another source while it lives.
class ReadFrom {
public:
    explicit ReadFrom(FileSource& source);
    ReadFrom(const ReadFrom&) = delete;
    ReadFrom& operator=(const ReadFrom&) = delete;
    ~ReadFrom();

private:
    FileSource* before_;
};

[[noreturn]] void cannot_read(const std::string& path, const std::string& why);

// Of one with more than `limit` bytes.
[[noreturn]] void too_large(const std::string& path, std::size_t limit);

} // namespace tunnel
