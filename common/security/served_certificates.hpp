// The certificates that visitors are shown, by name.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "common/security/ticket_keys.hpp"
#include "common/transport/host_table.hpp"

struct ssl_ctx_st; // OpenSSL's SSL_CTX

namespace tunnel {

// All that is needed to end TLS for visitors. It does not change, so several threads may use it.
class ServedCertificates {
public:
    // What files() has in these folders, which may be laid out as certificate_files() says. Throws
    // std::runtime_error, which names the file, if one cannot be used; an expired certificate is
    // better than none.
    static std::shared_ptr<const ServedCertificates> load(const std::vector<std::string>& folders,
                                                          std::shared_ptr<TicketKeys> tickets);

    // Whether there is a certificate for a canonical name, or one with that very wildcard.
    bool covers(std::string_view pattern) const;

    // What a visitor of a canonical name is to be shaken hands with, for as long as this lives; its
    // own name is preferred to a wildcard, which stands for one label. Null: there is none.
    ssl_ctx_st* context_for(std::string_view name) const;

    // Of the certificates, sorted.
    const std::vector<std::string>& files() const { return files_; }

    // Sentences about what is no mistake but may be none that is wanted: a folder without any.
    const std::vector<std::string>& concerns() const { return concerns_; }

private:
    struct Free {
        void operator()(ssl_ctx_st* context) const;
    };

    class Builder;

    ServedCertificates() = default;

    std::vector<std::unique_ptr<ssl_ctx_st, Free>> contexts_;
    HostTable<ssl_ctx_st*> by_name_;
    std::vector<std::string> files_;
    std::vector<std::string> concerns_;
};

// The files that load() reads: in each folder NAME.crt with NAME.key (as lego has them too, whose
// NAME.issuer.crt is not wanted), and fullchain.pem with privkey.pem, there or one folder below (as
// certbot has them). What is missing or cannot be read is left to load() to say.
std::vector<std::filesystem::path> certificate_files(const std::vector<std::string>& folders);

} // namespace tunnel
