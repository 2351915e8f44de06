#include "remote-proxy/options/front_options.hpp"

#include <stdexcept>

#include <fmt/format.h>

#include "common/options/outside.hpp"
#include "common/options/value_readers.hpp"
#include "common/transport/host_name.hpp"

namespace tunnel {

namespace {

// Each has a listener.
constexpr std::size_t most_fronts = 16;

ValueReader as_addresses(std::vector<Address>& addresses)
{
    return as_each("HOST:PORT", [&addresses](std::string_view text) {
        if (addresses.size() >= most_fronts)
            throw std::invalid_argument(
                fmt::format("there are more than {} of these addresses", most_fronts));
        addresses.push_back(read_address(text));
    });
}

std::string read_domain(std::string_view text)
{
    const std::string domain = read_host(text);
    if (is_wildcard_host(domain))
        throw std::invalid_argument(
            fmt::format("\"{}\" has a star, and each service puts its own label in front: "
                        "expected the name behind it",
                        domain));
    return domain;
}

} // namespace

OptionList describe(FrontOptions& options)
{
    ValueReader folders = as_each("FOLDER", [&options](std::string_view folder) {
        options.certificates.emplace_back(folder);
    });
    OptionList all;
    append(all, "Names",
           {{"https-addr", as_addresses(options.https),
             "Where visitors of all services with names connect to that speak TLS: a visitor says "
             "which name it wants (SNI)",
             Trait::common},
            {"http-addr", as_addresses(options.http),
             "Where visitors with plain HTTP connect to: a request's Host says which service it "
             "wants; names that only https has are sent there, and certificate authorities find "
             "their challenges",
             Trait::common},
            {"domain",
             as_text("NAME",
                     [&options](const std::string& text) { options.domain = read_domain(text); }),
             "Origin proxies that have proved who they are may have any free name with one label "
             "in front of this",
             Trait::common | Trait::reloads},
            {"certificates", folders,
             "Folder with certificates for names whose TLS ends here: NAME.crt and NAME.key, or "
             "NAME/fullchain.pem and NAME/privkey.pem",
             Trait::common | Trait::reloads},
            {"acme-webroot",
             as_text("FOLDER",
                     [&options](const std::string& folder) { options.acme_webroot = folder; }),
             "Folder in which a client such as certbot puts answers for its certificate authority, "
             "which finds them at --http-addr"}});
    const auto read_folder = [&options](const std::string& folder) {
        options.error_pages = folder;
    };
    append(all, "HTTP",
           {{"https-redirect", as_switch(options.https_redirect),
             "Send plain requests to https:// wherever a service has their name there, also if one "
             "of the kind http has it too",
             Trait::reloads},
            {"error-pages", as_text("FOLDER", read_folder),
             "Folder with pages for visitors in the place of the program's own: 502.html and the "
             "like, and error.html for all others",
             Trait::reloads},
            {"access-log", as_switch(options.access_log),
             "Log a line for each request of visitors who speak HTTP", Trait::reloads}});
    return all;
}

Option describe_allowed_hosts(std::vector<std::string>& hosts)
{
    return {"allow-hosts",
            as_each("HOST", [&hosts](std::string_view text) { hosts.push_back(read_host(text)); }),
            "Names that origin proxies, if they have a secret or certificate, may give their "
            "services; *.example.com stands for all names below example.com",
            Trait::common | Trait::reloads};
}

std::string contradiction(const FrontOptions& options)
{
    const bool has_front = !options.https.empty();
    if (options.https_redirect && (!has_front || options.http.empty()))
        return "--https-redirect sends visitors from --http-addr to --https-addr: give both";
    if (!options.domain.empty() && !has_front && options.http.empty())
        return "--domain is for services with names, and there is no address for their visitors: "
               "give --https-addr or --http-addr too";
    if (!options.certificates.empty() && !has_front)
        return "--certificates are for names whose TLS ends here, and there is no address for "
               "their visitors: give --https-addr too";
    if (!options.acme_webroot.empty() && options.http.empty())
        return "--acme-webroot is for certificate authorities, which look at port 80: give "
               "--http-addr too";
    return {};
}

} // namespace tunnel
