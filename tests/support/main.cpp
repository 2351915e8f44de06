#define DOCTEST_CONFIG_IMPLEMENT
#include <cstdlib>

#include <doctest/doctest.h>

#include "common/base/log.hpp"
#include "common/base/process.hpp"

int main(int argc, char** argv)
{
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
