// The rights that the process gives up after its start, so that an attacker who takes it over can
// do little with it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

namespace tunnel {

enum class Sandbox : std::uint8_t {
    on, // as much of it as this system has
    off,
    required // all of it, or the program does not start
};

// What must stay possible inside; name look-ups always are.
struct SandboxNeeds {
    // A file to remove at the end, if any: then files in its folder may be removed, as far as this
    // user may.
    std::filesystem::path removed{};
    // A file to replace, if any: then files in its folder may be made, written and removed. The
    // folder should hold no others.
    std::filesystem::path replaced{};
    // A file that is opened again for appending, or made anew, if any: then that may be done to
    // every file in its folder, as far as this user may.
    std::filesystem::path appended{};
    // Ports below 1024 are opened later, as far as this user may at the start.
    bool low_ports = false;
    // A folder of files to read, if any, and what comes to be below it.
    std::filesystem::path readable{};
    // The certificates of the authorities that the system trusts are read.
    bool system_authorities = false;
};

// From here on, for this thread and those that it starts: no capabilities except those in `needs`,
// and none can be gained; no file can be written or created
// but those in `needs`, and only those of name look-ups and of
// `needs` can be read; no program can be run and no code loaded; no process can be created,
// signalled or given other limits; no Unix socket can be connected to; and system calls that the
// proxies do not make fail with EPERM. What was opened before stays open, so bind first, and start
// a FileReader and a UnixDialer, which keep what this process gives up. Call it before any other
// thread is started. What this system or build lacks is named in one warning, or with
// Sandbox::required in a std::runtime_error.
void enter_sandbox(Sandbox sandbox, const SandboxNeeds& needs = {});

// The same for the helper processes, as far as the system allows: one can only read files and
// answer on the descriptors that it has, the other can only connect to Unix sockets.
void enter_file_reader_sandbox(Sandbox sandbox);
void enter_unix_dialer_sandbox(Sandbox sandbox);

// Sanitizers run programs, trace the process and write files, so builds with them have no sandbox,
// nor have those that count lines for the tests.
bool sandbox_is_built();

// For a process that holds a secret: no core file, and no other process of the same user may look
// into its memory.
void keep_memory_private();

} // namespace tunnel
