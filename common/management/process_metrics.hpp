// What /metrics says of a process, whatever program of ours it is.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <dirent.h>

#include "common/base/fd.hpp"
#include "common/management/metrics.hpp"
#include "common/security/loaded.hpp"

namespace tunnel {

// Opens what it reads in /proc when it is made: the sandbox would not let it later.
class ProcessMetrics {
public:
    // `program` is "remote-proxy", say.
    ProcessMetrics(std::string program, std::shared_ptr<const Loaded> loaded);

    // Build, age, processor time, memory and descriptors of the process, and what it has loaded.
    void add_to(Metrics& metrics) const;

private:
    std::optional<std::size_t> open_descriptors() const;
    std::optional<std::size_t> resident_bytes() const;

    struct Close {
        void operator()(DIR* folder) const { ::closedir(folder); }
    };

    std::string program_;
    std::shared_ptr<const Loaded> loaded_;
    double started_;                          // seconds since 1970
    Fd memory_;                               // /proc/self/statm
    std::unique_ptr<DIR, Close> descriptors_; // /proc/self/fd
};

} // namespace tunnel
