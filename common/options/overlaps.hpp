// Addresses at which two would listen.
#pragma once

#include <string>
#include <vector>

#include "common/options/document.hpp"
#include "common/options/text_values.hpp"

namespace tunnel {

struct Listening {
    std::string name; // in error messages
    FilePlace place;  // no file: elsewhere
    AddressRange addresses;
};

// A problem for each that would listen where one before it does: at the same port of the same host,
// or of all addresses. Port 0 is any that is free. Names are not looked up.
void look_for_overlaps(const std::vector<Listening>& all, Problems& problems);

} // namespace tunnel
