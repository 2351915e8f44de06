// Files as the operating system has them.
#pragma once

#include <chrono>
#include <map>
#include <string>
#include <vector>

#include "common/files/file_source.hpp"

namespace tunnel {

// A file need not be regular: a pipe such as <(pass show tunnel), a FIFO or /dev/stdin is read to
// its end, however slow its writer is. Since it can be read only once, its contents are kept for
// later readers of the same name.
class FileSystem : public FileSource {
public:
    PrivateText read(const std::string& path, std::size_t limit) override;
    FileStatus status(const std::string& path) override;
    std::vector<std::string> names_in(const std::string& folder) override;

    // How long the writer of a pipe may be silent before read() gives up.
    void wait_for_writers(std::chrono::milliseconds limit) { writer_limit_ = limit; }

    // Contents that cannot be read again, sorted by name.
    std::vector<std::string> read_once() const;

    bool is_read_once(const std::string& path) const { return kept_.contains(path); }

private:
    std::chrono::milliseconds writer_limit_ = std::chrono::seconds(30);
    std::map<std::string, std::string> kept_; // as PrivateText wipes them: never freed
};

// The one of this process.
FileSystem& file_system();

} // namespace tunnel
