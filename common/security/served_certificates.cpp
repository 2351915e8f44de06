#include "common/security/served_certificates.hpp"

#include <algorithm>
#include <chrono>
#include <ctime>
#include <map>
#include <stdexcept>
#include <utility>

#include <fmt/format.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "common/security/certificate_folder.hpp"
#include "common/security/pem.hpp"
#include "common/security/visitor_context.hpp"
#include "common/transport/host_name.hpp"

namespace tunnel {

namespace {

// Of one certificate, as patterns. Others, such as addresses or "w*.example.com", are left out.
std::vector<std::string> names_of(const X509* certificate)
{
    struct FreeNames {
        void operator()(GENERAL_NAMES* names) const { GENERAL_NAMES_free(names); }
    };

    const std::unique_ptr<GENERAL_NAMES, FreeNames> all(static_cast<GENERAL_NAMES*>(
        X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)));
    std::vector<std::string> names;
    for (int i = 0; i < sk_GENERAL_NAME_num(all.get()); ++i) {
        int kind = 0;
        const void* const value =
            GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(all.get(), i), &kind);
        if (kind != GEN_DNS)
            continue;
        const auto* const text = static_cast<const ASN1_STRING*>(value);
        auto name =
            canonical_host_pattern({reinterpret_cast<const char*>(ASN1_STRING_get0_data(text)),
                                    static_cast<std::size_t>(ASN1_STRING_length(text))});
        if (name && *name != "*")
            names.push_back(std::move(*name));
    }
    return names;
}

// A later one is the better one.
struct Goodness {
    bool is_valid_now = false;
    std::chrono::sys_seconds until{};

    friend bool operator<(const Goodness& one, const Goodness& other)
    {
        return one.is_valid_now == other.is_valid_now ? one.until < other.until
                                                      : other.is_valid_now;
    }
};

Goodness goodness_of(const X509* certificate)
{
    Goodness goodness;
    std::tm parts{};
    if (ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &parts) == 1)
        goodness.until = std::chrono::sys_seconds(std::chrono::seconds(::timegm(&parts)));
    goodness.is_valid_now = X509_cmp_current_time(X509_get0_notBefore(certificate)) < 0 &&
                            X509_cmp_current_time(X509_get0_notAfter(certificate)) > 0;
    return goodness;
}

// A wildcard of a certificate stands for one label.
std::string wildcard_for(std::string_view name)
{
    const std::size_t dot = name.find('.');
    return dot == std::string_view::npos ? std::string() : "*" + std::string(name.substr(dot));
}

} // namespace

void ServedCertificates::Free::operator()(ssl_ctx_st* context) const
{
    SSL_CTX_free(context);
}

// What is known of the certificates while they are read.
class ServedCertificates::Builder {
public:
    void take(const CertificateFiles& files)
    {
        Read read{KeyedCertificate::read(files), {}, 0};
        const X509* const own = read.certificate.own.get();
        const std::vector<std::string> names = names_of(own);
        if (names.empty())
            throw std::runtime_error(
                fmt::format("the certificate in {} has no host name among its alternative names "
                            "(subjectAltName), where browsers look for it",
                            files.certificate));
        read.goodness = goodness_of(own);
        read.key_type = EVP_PKEY_get_base_id(read.certificate.key.get());
        const std::size_t number = all_.size();
        all_.push_back(std::move(read));
        for (const std::string& name : names)
            choose(by_name_[name], number);
    }

    void build(ServedCertificates& made, const std::shared_ptr<TicketKeys>& tickets) const
    {
        std::map<Choice, ssl_ctx_st*> contexts;
        for (const auto& [name, choice] : by_name_) {
            auto& context = contexts[choice];
            if (context == nullptr) {
                made.contexts_.emplace_back(make_visitor_context(tickets));
                context = made.contexts_.back().get();
                for (const auto& [key_type, number] : choice)
                    all_[number].certificate.use_in(context);
            }
            made.by_name_.put(name, context);
        }
    }

    // Also those that others are preferred to: if one of them cannot be used it has to be said now,
    // and not when it is needed.
    void check_unused(const std::shared_ptr<TicketKeys>& tickets) const
    {
        std::vector<bool> used(all_.size());
        for (const auto& [name, choice] : by_name_) {
            for (const auto& [key_type, number] : choice)
                used[number] = true;
        }
        for (std::size_t number = 0; number < all_.size(); ++number) {
            if (used[number])
                continue;
            const std::unique_ptr<ssl_ctx_st, Free> scratch(make_visitor_context(tickets));
            all_[number].certificate.use_in(scratch.get());
        }
    }

private:
    struct Read {
        KeyedCertificate certificate;
        Goodness goodness;
        int key_type;
    };

    // By the type of key the number of the best one; the library chooses among them.
    using Choice = std::map<int, std::size_t>;

    void choose(Choice& choice, std::size_t number) const
    {
        const Read& read = all_[number];
        const auto [place, is_first] = choice.try_emplace(read.key_type, number);
        if (!is_first && all_[place->second].goodness < read.goodness)
            place->second = number;
    }

    std::vector<Read> all_;
    std::map<std::string, Choice> by_name_;
};

std::shared_ptr<const ServedCertificates>
ServedCertificates::load(const std::vector<std::string>& folders,
                         std::shared_ptr<TicketKeys> tickets)
{
    const std::shared_ptr<ServedCertificates> made(new ServedCertificates);
    Builder builder;
    for (const std::string& path : folders) {
        const CertificateFolder folder = CertificateFolder::look_into(path);
        if (!folder.can_be_read)
            throw std::runtime_error(
                fmt::format("cannot read the certificates in {}: there is no such folder, or this "
                            "user may not look into it",
                            path));
        if (!folder.without_key.empty())
            throw std::runtime_error(
                fmt::format("there is no key for the certificate in {}: beside NAME.crt it is "
                            "NAME.key, beside fullchain.pem privkey.pem",
                            folder.without_key.front()));
        constexpr std::string_view expected =
            "NAME.crt with NAME.key, or folders with fullchain.pem and privkey.pem";
        if (folder.certificates.empty() && folder.has_other_files)
            throw std::runtime_error(
                fmt::format("there is no certificate in {}: expected are {}", path, expected));
        if (folder.certificates.empty())
            made->concerns_.push_back(
                fmt::format("there is no certificate in {} yet: expected are {}", path, expected));
        for (const CertificateFiles& each : folder.certificates) {
            if (std::ranges::find(made->files_, each.certificate) != made->files_.end())
                continue; // the folder is named twice
            builder.take(each);
            made->files_.push_back(each.certificate);
        }
    }
    builder.check_unused(tickets);
    builder.build(*made, tickets);
    return made;
}

bool ServedCertificates::covers(std::string_view pattern) const
{
    return is_wildcard_host(pattern) ? by_name_.at(pattern) != nullptr
                                     : context_for(pattern) != nullptr;
}

ssl_ctx_st* ServedCertificates::context_for(std::string_view name) const
{
    if (is_wildcard_host(name))
        return nullptr;
    ssl_ctx_st* const* found = by_name_.at(name);
    if (found == nullptr)
        found = by_name_.at(wildcard_for(name));
    return found != nullptr ? *found : nullptr;
}

std::vector<std::filesystem::path> certificate_files(const std::vector<std::string>& folders)
{
    std::vector<std::filesystem::path> all;
    for (const std::string& path : folders) {
        const CertificateFolder folder = CertificateFolder::look_into(path);
        for (const CertificateFiles& each : folder.certificates) {
            all.emplace_back(each.certificate);
            all.emplace_back(each.key);
        }
        all.insert(all.end(), folder.without_key.begin(), folder.without_key.end());
    }
    return all;
}

} // namespace tunnel
