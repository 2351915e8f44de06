// The options as texts, key by key: what a reload has changed, and whose value a failure is about.
#pragma once

#include <stdexcept>
#include <string>
#include <system_error>
#include <vector>

#include "common/base/process.hpp"
#include "common/base/wrong_configuration.hpp"

namespace tunnel {

// Of an option, or of a table of the configuration file.
struct OptionValue {
    std::string key; // "control-addr", "services.web"
    std::string text{};
    std::vector<std::string> files{}; // that it names
    bool is_flag = true;
    bool reloads = false;    // a reload applies it; else it needs a restart
    bool reads_files = true; // and does not write them
};

struct OptionChange {
    std::string key;
    std::string from;
    std::string to;
    bool applied; // by the reload
};

// What is different in `fresh`, key by key.
std::vector<OptionChange> changes_between(const std::vector<OptionValue>& running,
                                          const std::vector<OptionValue>& fresh);

// What is in force once a reload has applied what it can.
std::vector<OptionValue> in_force_after(const std::vector<OptionValue>& running,
                                        std::vector<OptionValue> fresh);

// "--secret-file: WHAT", if what went wrong is about a file that one of the options names.
std::string name_option(const std::string& what, const std::vector<OptionValue>& options);

// What `read` answers. A std::runtime_error that it throws is about the configuration, and becomes
// a WrongConfiguration that names the option; not so what the system refuses, a std::system_error.
template <class Read>
auto read_configured(const std::vector<OptionValue>& options, const Read& read)
{
    try {
        return read();
    } catch (const std::system_error&) {
        throw;
    } catch (const ShuttingDown&) {
        throw;
    } catch (const std::runtime_error& error) {
        throw WrongConfiguration(name_option(error.what(), options));
    }
}

// Where `error` is caught: throws it again, with the name of the option in front if it says that an
// address cannot be listened on.
[[noreturn]] void rethrow_naming(const std::string& option, const std::system_error& error);

// What `listen` answers, which listens at the address of this option.
template <class Listen>
auto listen_for(const std::string& option, const Listen& listen)
{
    try {
        return listen();
    } catch (const std::system_error& error) {
        rethrow_naming(option, error);
    }
}

} // namespace tunnel
