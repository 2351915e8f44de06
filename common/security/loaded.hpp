// What a program has read from its files: how often it could, and until when that is of use.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/base/asio.hpp"
#include "common/base/every.hpp"
#include "common/security/certificate_life.hpp"

namespace tunnel {

// Warns in the log of each certificate of ours that the others refuse by now, or soon: when it is
// loaded, and once a day from then on. Established connections live on after that moment, so
// without a word it would show only when one of them has to be made again.
class Loaded {
public:
    explicit Loaded(asio::io_context& io, Clock::duration interval = std::chrono::hours(24));

    Loaded(const Loaded&) = delete;
    Loaded& operator=(const Loaded&) = delete;
    ~Loaded() = default;

    // These files are what the program shows from now on. Some may be empty: none.
    void take_certificates(const std::vector<std::string>& files);

    // What a reload came to.
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
