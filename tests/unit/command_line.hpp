// One call of a program's parse(), as main() calls it.
#pragma once

#include <cstdlib>
#include <optional>
#include <string>
#include <vector>

#include <unistd.h>

#include "common/base/log.hpp"
#include "origin-proxy/preflight.hpp"
#include "remote-proxy/preflight.hpp"
#include "tests/unit/captured.hpp"

namespace tunnel::test {

// What parse() answered and printed.
template <class Options>
struct Parsed {
    Options options;
    std::optional<int> code;
    std::string out;
    std::string err;
};

template <class Options>
Parsed<Options> parsed(std::vector<const char*> arguments)
{
    arguments.insert(arguments.begin(), "/usr/bin/program");
    Parsed<Options> result;
    const Captured out(STDOUT_FILENO);
    const Captured err(STDERR_FILENO);
    result.code = parse(static_cast<int>(arguments.size()), arguments.data(), result.options,
                        [](const Options& options) { check_start(options); });
    log::configure(log::Level::error, log::Format::text); // as support/main.cpp has it
    result.out = out.text();
    result.err = err.text();
    return result;
}

// A variable of the environment, while this lives.
class Environment {
public:
    Environment(const char* name, const char* value) : name_(name) { ::setenv(name, value, 1); }

    Environment(const Environment&) = delete;
    Environment& operator=(const Environment&) = delete;

    ~Environment() { ::unsetenv(name_); }

private:
    const char* name_;
};

} // namespace tunnel::test
