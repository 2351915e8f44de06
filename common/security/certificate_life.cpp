#include "common/security/certificate_life.hpp"

#include <algorithm>
#include <ctime>
#include <memory>
#include <stdexcept>

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "common/security/file.hpp"

namespace tunnel {

namespace {

using std::chrono::sys_seconds;

constexpr std::size_t largest_certificate_file = 1024 * 1024; // bytes
constexpr std::chrono::seconds soon_at_most = std::chrono::hours(14 * 24);
constexpr int soon_part = 10; // of its life

struct Free {
    void operator()(BIO* bio) const { BIO_free(bio); }

    void operator()(X509* certificate) const { X509_free(certificate); }
};

std::optional<sys_seconds> moment(const ASN1_TIME* time)
{
    std::tm parts{};
    if (ASN1_TIME_to_tm(time, &parts) != 1)
        return std::nullopt;
    return sys_seconds(std::chrono::seconds(::timegm(&parts)));
}

std::string to_string(sys_seconds moment)
{
    return fmt::format("{:%Y-%m-%d %H:%M:%S} UTC",
                       fmt::gmtime(std::chrono::system_clock::to_time_t(moment)));
}

} // namespace

std::optional<CertificateLife> life_of_certificate(const std::string& file)
{
    std::unique_ptr<X509, Free> certificate;
    try {
        const PrivateText text =
            read_file(file, largest_certificate_file); // the key may be in it, too
        const std::unique_ptr<BIO, Free> bytes(
            BIO_new_mem_buf(text.view().data(), static_cast<int>(text.view().size())));
        if (bytes)
            certificate.reset(PEM_read_bio_X509_AUX(bytes.get(), nullptr, nullptr, nullptr));
    } catch (const std::runtime_error&) {
        return std::nullopt;
    }
    ERR_clear_error(); // or the next failure of the library would be told as this one
    if (!certificate)
        return std::nullopt;
    const auto from = moment(X509_get0_notBefore(certificate.get()));
    const auto until = moment(X509_get0_notAfter(certificate.get()));
    if (!from || !until)
        return std::nullopt;
    return CertificateLife{file, *from, *until};
}

std::vector<CertificateLife> lives_of_certificates(const std::vector<std::string>& files)
{
    std::vector<CertificateLife> lives;
    for (const std::string& file : files) {
        if (file.empty() || std::ranges::find(lives, file, &CertificateLife::file) != lives.end())
            continue;
        if (auto life = life_of_certificate(file))
            lives.push_back(std::move(*life));
    }
    return lives;
}

std::string concern_about(const CertificateLife& life, sys_seconds now)
{
    constexpr std::string_view way_out = "put a renewed one into the file, and send SIGHUP";
    if (now < life.from)
        return fmt::format("it is good only from {} on, so the others refuse it; look at the clock",
                           to_string(life.from));
    if (now > life.until)
        return fmt::format("it expired at {}, so the others refuse it: {}", to_string(life.until),
                           way_out);
    if (life.until - now < std::min(soon_at_most, (life.until - life.from) / soon_part))
        return fmt::format("it expires soon, at {}: {}", to_string(life.until), way_out);
    return {};
}

} // namespace tunnel
