// Reads files again for a process that has given up the right to open them.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/base/asio.hpp"
#include "common/base/fd.hpp"
#include "common/files/file_source.hpp"
#include "common/sandbox/sandbox.hpp"

namespace tunnel {

// A helper process that keeps the right to read. It finds out by itself, from the command line and
// the configuration's files, which files are named, so whoever takes over the program cannot make
// it open any other; and it opens them by their names, so any way to replace them is good: another
// file of that name, links, folders that are links. Reading may take long or hang; nothing here
// waits for it but the coroutine that asks.
class FileReader {
public:
    // What the helper asks of the program's options, in its own copy of them.
    struct Named {
        // Reads the options anew out of files(), or throws std::runtime_error and leaves them. It
        // gets the descriptor that was handed over, -1 if there was none.
        std::function<void(int handed_over)> reread;
        // The files that they name.
        std::function<std::vector<std::filesystem::path>()> list;
    };

    // Starts the helper, before any thread is started. Throws std::system_error.
    FileReader(asio::io_context& io, Sandbox sandbox, const Named& named, Fd handed_over = {});

    FileReader(const FileReader&) = delete;
    FileReader& operator=(const FileReader&) = delete;
    ~FileReader();

    // What a reload needs to read. If it cannot be had, every reading of it says why.
    awaitable<std::unique_ptr<FileSource>> read();

    // Another text than before when one of the files, or which there are, has changed; nullopt if
    // it cannot be told now.
    awaitable<std::optional<std::string>> look();

private:
    struct State;

    std::shared_ptr<State> state_;
};

// What look() gives, of these files as they are now.
std::string fingerprint(const std::vector<std::filesystem::path>& files);

} // namespace tunnel
