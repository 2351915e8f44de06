// What the process gives up once it is set up, so that whoever takes it over can do little with it.
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

// What must still be possible inside; name look-ups are in any case.
struct SandboxNeeds {
    // A file to be removed at the end, if there is one: files in its folder may be removed then, as
    // far as this user may.
    std::filesystem::path removed{};
    // A file to be replaced by a new one, if there is one: files in its folder may be made, written
    // and removed then. There should be no others in it.
    std::filesystem::path replaced{};
    // Ports below 1024 are bound later, as far as this user may do that at the start.
    bool low_ports = false;
    // The certificates of the authorities that the system trusts are read.
    bool system_authorities = false;
};

// From here on this thread and those that it starts, and the files they open: no capability is
// left, but for what `needs` says, and none can be gained, no file can be written or made, only
// those of name look-ups and of `needs` be read, no program be run, no code be loaded, no process
// be made, signalled or given other limits, no Unix socket be connected to, and system calls that
// the proxies do not make fail with EPERM. What was opened before stays as it is, so bind first,
// and start a FileReader and a UnixDialer, which keep what this process gives up; before any other
// thread is started. A part that this system or this build lacks is named in one warning, or with
// Sandbox::required in a std::runtime_error.
void enter_sandbox(Sandbox sandbox, const SandboxNeeds& needs = {});

// The same for the helper processes, as far as it can be had: the one may do nothing but read files
// and answer on the descriptors that it has; the other nothing but connect to Unix sockets.
void enter_file_reader_sandbox(Sandbox sandbox);
void enter_unix_dialer_sandbox(Sandbox sandbox);

// Sanitizers run programs, trace the process and write files, so in builds with them there is no
// sandbox, and neither where lines are counted for the tests.
bool sandbox_is_built();

// For a process that holds a secret: no core file, and no other process of the same user may look
// into its memory.
void keep_memory_private();

} // namespace tunnel
