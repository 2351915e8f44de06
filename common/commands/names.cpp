#include "common/commands/names.hpp"

#include <csignal>
#include <cstdio>
#include <cstdlib>

#include <unistd.h>

#include "common/commands/fields.hpp"

namespace tunnel {

namespace {

void give_up_quietly(int)
{
    ::_exit(EXIT_FAILURE);
}

// A name with a control character would be several for the shell, or move the cursor.
bool is_printable(const std::string& name)
{
    for (const char c : name) {
        if (static_cast<unsigned char>(c) < ' ' || c == '\x7f')
            return false;
    }
    return !name.empty();
}

} // namespace

int print_names(const RunningProgram& running, const std::string& list)
{
    std::signal(SIGALRM, give_up_quietly);
    ::alarm(1);
    if (list != "services" && list != "origins")
        return EXIT_FAILURE;
    try {
        std::string text;
        for (const Json& each : running.all(list)) {
            if (const std::string name = text_in(each, "name"); is_printable(name))
                text += name + '\n';
        }
        return std::fputs(text.c_str(), stdout) < 0 || std::fflush(stdout) != 0 ? EXIT_FAILURE
                                                                                : EXIT_SUCCESS;
    } catch (const std::exception&) {
        return EXIT_FAILURE;
    }
}

} // namespace tunnel
