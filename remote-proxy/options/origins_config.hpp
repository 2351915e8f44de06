// The tables [origins.NAME]: who the origin proxies are, and what each of them may do.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "common/options/document.hpp"
#include "common/options/option.hpp"
#include "common/options/trust_options.hpp"
#include "common/relay/bandwidth.hpp"
#include "remote-proxy/options/front_options.hpp"
#include "remote-proxy/options/service_options.hpp"

namespace tunnel {

struct OriginsTable {
    std::vector<std::string> names;
    std::vector<OriginSecret> secrets;
    std::map<std::string, PortRanges> allow_ports;
    AllowedHosts allow_hosts;
    std::map<std::string, Rates> bandwidth;
};

// The keys of such a table: for what they are, and not to be read with.
OptionList origin_keys();

// Where they stand, and so what is to be there.
enum class OriginsIn : std::uint8_t {
    secrets_file,                    // secrets alone
    configuration,                   // and what else they have
    configuration_with_certificates, // which they show in the place of secrets
};

// Tables with secret = "…", or secrets = ["…", "…"] of which each is good, so that a new one can be
// brought out before the old one is taken away. What is wrong goes to `problems`, and never shows a
// secret. `bandwidth` is what an origin proxy has whose table says nothing of it.
OriginsTable read_origins(const Setting& origins, OriginsIn in, Problems& problems,
                          const Rates& bandwidth = {});

// What should be there, for error messages.
std::string_view expected_origins(OriginsIn in);

} // namespace tunnel
