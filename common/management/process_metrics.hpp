// The metrics of a process that both programs have.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <dirent.h>

#include "common/base/fd.hpp"
#include "common/management/metrics.hpp"
#include "common/security/certificates_in_use.hpp"

namespace tunnel {

// Opens its files in /proc at construction: inside the sandbox it could not.
class ProcessMetrics {
public:
    // `program` is "remote-proxy", say.
    ProcessMetrics(std::string program, std::shared_ptr<const CertificatesInUse> loaded);

    // Build, age, processor time, memory, descriptors, certificates and reloads.
    void add_to(Metrics& metrics) const;

private:
    std::optional<std::size_t> open_descriptors() const;
    std::optional<std::size_t> resident_bytes() const;

    struct Close {
        void operator()(DIR* folder) const { ::closedir(folder); }
    };

    std::string program_;
    std::shared_ptr<const CertificatesInUse> loaded_;
    double started_;                          // seconds since 1970
    Fd memory_;                               // /proc/self/statm
    std::unique_ptr<DIR, Close> descriptors_; // /proc/self/fd
};

} // namespace tunnel
