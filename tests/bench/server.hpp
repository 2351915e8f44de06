// The origin server behind every tunnel that is measured.
#pragma once

#include <netinet/in.h>
#include <string>

namespace bench {

// Prints the address it listens at; does not return. `certificate`: a file with one and its key, or
// empty, and then nobody may speak TLS.
void serve(const sockaddr_in& where, const std::string& certificate);

} // namespace bench
