// The file that keeps changes by the management interface beyond the end of the process.
#pragma once

#include <memory>
#include <string>

#include <asio/thread_pool.hpp>

#include "common/base/asio.hpp"
#include "common/base/fd.hpp"
#include "remote-proxy/registry/saved_state.hpp"

namespace tunnel {

// Each version is written beside the old file, synchronized with the disk and renamed over it, so
// that there is a complete file at any moment. Disks may be slow, so a thread of its own writes one
// change after the other.
class StateFile {
public:
    explicit StateFile(std::string path);
    ~StateFile();

    // Its contents; empty if there is no file. Throws std::runtime_error that names the file.
    SavedState read() const;

    // Locks it against other programs, which would overwrite each other's changes, until release().
    // Throws std::runtime_error if another has it. If there is no file yet, the first program that
    // writes gets the lock.
    void lock();

    // Leaves the file to a successor; nothing can be written afterwards.
    void release();

    // A change is being written.
    bool is_writing() const { return writing_ > 0; }

    // After release(): there is no successor. Throws as lock() does.
    void reclaim();

    // Throws std::system_error if this user may not replace the file.
    void must_be_replaceable() const;

    // Returns once the file is replaced; throws std::system_error that names it. The first call
    // starts the thread.
    awaitable<void> write(const SavedState& kept) { return write_text(to_text(kept)); }

    // The same without waiting; a failure is logged.
    void write_soon(asio::io_context& io, const SavedState& kept);

    // Waits for the write under way; run the io_context dry afterwards.
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
