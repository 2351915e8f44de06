#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>

#include "common/base/log.hpp"
#include "common/base/process.hpp"

int main(int argc, char** argv)
{
    tunnel::prepare_process();
    // The log is no result; what is wanted of it is tested by render().
    tunnel::log::configure(tunnel::log::Level::error, tunnel::log::Format::text);
    doctest::Context context(argc, argv);
    return context.run();
}
