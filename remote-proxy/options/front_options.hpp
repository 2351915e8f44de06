// Addresses that services share by their names.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "common/options/option.hpp"
#include "common/transport/address.hpp"
#include "common/transport/service_kind.hpp"

namespace tunnel {

struct FrontOptions {
    std::vector<Address> https;            // for services of the kinds tls and https
    std::vector<Address> http;             // for those of the kind http
    std::string domain;                    // what one label gets behind it; empty: nothing
    std::vector<std::string> certificates; // folders
    std::string acme_webroot;              // folder; empty: none
    // Plain requests for a name that https has go there, whether http has the name or not.
    bool https_redirect = false;
    std::string error_pages; // folder with pages in the place of our own; empty: none
    bool access_log = false; // a line for each request

    // Where visitors of this kind of services come.
    const std::vector<Address>& of(ServiceKind kind) const
    {
        return kind == ServiceKind::http ? http : https;
    }
};

// Which names an origin proxy may give its services, by its name; "" is for those who are not named
// here. Patterns, as canonical_host_pattern() has them.
using AllowedHosts = std::map<std::string, std::vector<std::string>>;

OptionList describe(FrontOptions& options);

// The flag for all, and the key for one origin proxy.
Option describe_allowed_hosts(std::vector<std::string>& hosts);

// What is wrong with them together; empty: nothing.
std::string contradiction(const FrontOptions& options);

} // namespace tunnel
