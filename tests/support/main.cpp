#define DOCTEST_CONFIG_IMPLEMENT
#include <cstdlib>

#include <doctest/doctest.h>

#include <cstdlib>

#include "common/base/log.hpp"
#include "common/base/process.hpp"

int main(int argc, char** argv)
{
    // What this user has at the default places is none of the tests' business.
    ::setenv("HOME", "/nonexistent", 1);
    for (const char* const each : {"XDG_CONFIG_HOME", "XDG_RUNTIME_DIR"})
        ::unsetenv(each);
    tunnel::prepare_process();
    // Of the machine, whose proxy is not for what is tested here.
    for (const char* const name :
         {"https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY", "no_proxy", "NO_PROXY"})
        ::unsetenv(name);
    // The log is no result; what is wanted of it is tested by render().
    tunnel::log::configure(tunnel::log::Level::error, tunnel::log::Format::text);
    doctest::Context context(argc, argv);
    return context.run();
}
