#include "common/sandbox/needed_later.hpp"

#include <algorithm>
#include <cctype>
#include <fstream>
#include <sstream>
#include <string>
#include <string_view>

#include <dlfcn.h>
#include <openssl/ssl.h>
#include <sys/personality.h>

namespace tunnel {

namespace {

bool is_module_name(std::string_view word)
{
    return !word.empty() && std::ranges::all_of(word, [](unsigned char c) {
        return std::isalnum(c) != 0 || c == '_' || c == '-';
    });
}

// "hosts: files mdns4_minimal [NOTFOUND=return] dns": glibc has files and dns in itself, and finds
// the others by these names, also when they are there already.
void load_name_services()
{
    std::ifstream configuration("/etc/nsswitch.conf");
    for (std::string line; std::getline(configuration, line);) {
        std::istringstream words(line);
        std::string word;
        if (!(words >> word) || word != "hosts:")
            continue;
        while (words >> word) {
            if (is_module_name(word) && word != "files" && word != "dns")
                ::dlopen(("libnss_" + word + ".so.2").c_str(), RTLD_NOW | RTLD_NODELETE);
        }
    }
}

// A parent can have asked that whatever can be read can be executed too.
void let_data_be_data()
{
    constexpr unsigned long as_it_is = 0xffffffff;
    const int now = ::personality(as_it_is);
    if (now >= 0 && (now & READ_IMPLIES_EXEC) != 0)
        ::personality(static_cast<unsigned long>(now & ~READ_IMPLIES_EXEC));
}

} // namespace

void load_code_needed_later()
{
    load_name_services();
    ::OPENSSL_init_ssl(OPENSSL_INIT_LOAD_CONFIG | OPENSSL_INIT_LOAD_SSL_STRINGS, nullptr);
    let_data_be_data();
}

} // namespace tunnel
