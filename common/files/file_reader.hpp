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

// A helper process that keeps the right to read files. It finds the names itself, in the command
// line and the configuration files, so an attacker who takes over the program cannot make it open
// others. It opens files by name, so they may be replaced in any way: by a rename, by links, by
// folders that are links. Reading may take long or hang; only the coroutine that asks waits for it.
class FileReader {
public:
    // How the helper process uses its own copy of the program's options.
    struct Named {
        // Reads the options anew out of files(), or throws std::runtime_error and leaves them. It
        // gets the descriptor that was handed over, -1 if there was none.
        std::function<void(int handed_over)> reread;
        // The files that they name.
        std::function<std::vector<std::filesystem::path>()> list;
    };

    // Starts the helper; call it before any thread is started. Throws std::system_error.
    FileReader(asio::io_context& io, Sandbox sandbox, const Named& named, Fd handed_over = {});

    FileReader(const FileReader&) = delete;
    FileReader& operator=(const FileReader&) = delete;
    ~FileReader();

    // The files for a reload. If they cannot be read, each reading of the result says why.
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
