// A process beside this one that keeps one right that this one gives up.
#pragma once

#include <functional>
#include <span>
#include <vector>

#include "common/base/fd.hpp"

namespace tunnel {

// Forks, before any thread is started. The new process has no descriptor but those of
// `handed_over`, hears no signal that ends the program, and ends with this one; `serve` gets its
// descriptors in the order of `handed_over`, and the process ends when it returns. Throws
// std::system_error.
void start_helper(const char* name, std::vector<Fd> handed_over,
                  const std::function<void(std::span<const int> descriptors)>& serve);

// Both ends of a connection to a helper: the one of this process does not block.
struct HelperChannel {
    Fd ours;
    Fd theirs;
};

// SOCK_STREAM, or SOCK_SEQPACKET. Throws std::system_error.
HelperChannel make_helper_channel(int type);

// All of the bytes, on a blocking descriptor. False: the other end has gone.
bool write_whole(int descriptor, std::span<const char> bytes);

} // namespace tunnel
