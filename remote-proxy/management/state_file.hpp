// The file in which a change by the management interface outlives the process.
#pragma once

#include <memory>
#include <string>

#include <asio/thread_pool.hpp>

#include "common/base/asio.hpp"
#include "common/base/fd.hpp"
#include "remote-proxy/registry/saved_state.hpp"

namespace tunnel {

// Written as a whole beside the old one, synchronized with the disk and put in its place, so that
// at any moment one of the two is there. A disk may take long, so that is done on a thread of its
// own, one change after the other.
class StateFile {
public:
    explicit StateFile(std::string path);
    ~StateFile();

    // What it holds; nothing if it is not there. Throws std::runtime_error that names the file.
    SavedState read() const;

    // Keeps it from other programs, which would replace each other's changes, until release().
    // Throws std::runtime_error if one has it. Where there is no file yet, the first one that
    // writes has it.
    void lock();

    // For the program that takes this one's place; nothing can be written any more.
    void release();

    // Throws std::system_error if this user cannot replace the file.
    void must_be_replaceable() const;

    // Has replaced the file when it returns; throws std::system_error that names it. The thread
    // begins with the first one.
    awaitable<void> write(const SavedState& kept) { return write_text(to_text(kept)); }

    // The same, for whoever does not wait for it: a failure is logged.
    void write_soon(asio::io_context& io, const SavedState& kept);

    // Waits for what is being written; run the io_context dry afterwards.
    void finish();

    const std::string& path() const { return path_; }

private:
    awaitable<void> write_text(std::string text);

    std::string path_;
    Fd lock_;
    bool released_ = false;
    int writing_ = 0; // writes under way
    // It may be replaced; the disk's thread alone looks at it once that has begun.
    std::shared_ptr<bool> ours_ = std::make_shared<bool>(true);
    std::unique_ptr<asio::thread_pool> disk_;
};

// Both for tests too. Answers the new file, locked. Throws std::system_error that names the file.
Fd replace_file(const std::string& path, const std::string& text);

} // namespace tunnel
