// The certificates that a program shows, and how often it has reloaded.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/base/asio.hpp"
#include "common/base/every.hpp"
#include "common/security/certificate_life.hpp"

namespace tunnel {

// Logs a warning about each of our certificates that has expired or will soon: when it is loaded,
// and once a day from then on. Established connections survive the expiry, so without a warning it
// would show only when one has to be made again.
class CertificatesInUse {
public:
    explicit CertificatesInUse(asio::io_context& io,
                               Clock::duration interval = std::chrono::hours(24));

    CertificatesInUse(const CertificatesInUse&) = delete;
    CertificatesInUse& operator=(const CertificatesInUse&) = delete;
    ~CertificatesInUse() = default;

    // The files that the program shows from now on; empty names are skipped.
    void take_certificates(const std::vector<std::string>& files);

    // Counts a reload.
    void note_reload(bool success) { ++(success ? reloads_ : failed_reloads_); }

    const std::vector<CertificateLife>& certificates() const { return certificates_; }

    std::uint64_t reloads() const { return reloads_; } // that went well

    std::uint64_t failed_reloads() const { return failed_reloads_; }

private:
    void warn() const;

    std::vector<CertificateLife> certificates_;
    std::uint64_t reloads_ = 0;
    std::uint64_t failed_reloads_ = 0;
    Every every_;
};

} // namespace tunnel
