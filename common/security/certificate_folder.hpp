// How ACME clients lay certificates out in folders.
#pragma once

#include <string>
#include <vector>

#include "common/security/pem.hpp"

namespace tunnel {

// What files() has in one folder: NAME.crt with NAME.key (as lego has them too, whose
// NAME.issuer.crt is not wanted), and fullchain.pem with privkey.pem, in the folder or one below it
// (as certbot has them). Names that begin with a dot are skipped. Whether the files can be used is
// not looked at.
struct CertificateFolder {
    bool can_be_read = false;
    bool has_other_files = false;               // that are meant to be something
    std::vector<CertificateFiles> certificates; // sorted
    std::vector<std::string> without_key;       // certificates

    static CertificateFolder look_into(const std::string& path);
};

} // namespace tunnel
