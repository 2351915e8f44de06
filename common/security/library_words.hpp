#pragma once

#include <string>

namespace tunnel {

// What an error of OpenSSL's queue says, for people.
std::string words_of(unsigned long error);

} // namespace tunnel
