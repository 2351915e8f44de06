#include "common/security/certificates_in_use.hpp"

#include <chrono>

#include "common/base/log.hpp"

namespace tunnel {

CertificatesInUse::CertificatesInUse(asio::io_context& io, Clock::duration interval)
    : every_(io, interval, [this] { warn(); })
{
}

void CertificatesInUse::take_certificates(const std::vector<std::string>& files)
{
    certificates_ = lives_of_certificates(files);
    warn();
}

void CertificatesInUse::warn() const
{
    const auto now = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
    for (const CertificateLife& each : certificates_) {
        const std::string concern = concern_about(each, now);
        if (!concern.empty())
            log::warn("a certificate of this program", {{"file", each.file}, {"concern", concern}});
    }
}

} // namespace tunnel
