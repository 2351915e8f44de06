// The origin server behind every tunnel that is measured.
#pragma once

#include <netinet/in.h>

namespace bench {

// Prints the address it listens at; does not return.
void serve(const sockaddr_in& where);

} // namespace bench
