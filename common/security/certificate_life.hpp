// Until when certificates of ours are good for anything.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

namespace tunnel {

// Of the certificate that a file shows first, which is the program's own.
struct CertificateLife {
    std::string file;
    std::chrono::sys_seconds from;
    std::chrono::sys_seconds until; // the last second in which others take it
};

// Nullopt: the file has no certificate that can be read; whoever uses it says what is wrong.
std::optional<CertificateLife> life_of_certificate(const std::string& file);

// Of each file that has one, in their order and once.
std::vector<CertificateLife> lives_of_certificates(const std::vector<std::string>& files);

// What somebody should know who could renew it, with the way out; empty: all is well. "Soon" is a
// tenth of its life, and 14 days at most: by then whoever renews in time has done it.
std::string concern_about(const CertificateLife& life, std::chrono::sys_seconds now);

} // namespace tunnel
