// What Debian has in libtomlplusplus.so, for programs without shared libraries.
#define TOML_IMPLEMENTATION
#include <toml++/toml.h>
