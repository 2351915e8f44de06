// When our certificates expire.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

namespace tunnel {

// The life of the first certificate in a file, which is the program's own.
struct CertificateLife {
    std::string file;
    std::chrono::sys_seconds from;
    std::chrono::sys_seconds until; // the last second in which it is valid
};

// nullopt: the file has no readable certificate; using it will say what is wrong.
std::optional<CertificateLife> life_of_certificate(const std::string& file);

// For each file with a certificate, in their order, without duplicates.
std::vector<CertificateLife> lives_of_certificates(const std::vector<std::string>& files);

// A warning about a certificate that has expired or will soon, with the remedy; empty: none. "Soon"
// is a tenth of its life, 14 days at most: automatic renewal comes earlier.
std::string concern_about(const CertificateLife& life, std::chrono::sys_seconds now);

} // namespace tunnel
