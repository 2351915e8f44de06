#include "origin-proxy/options/host_name.hpp"

#include <array>

#include <unistd.h>

#include "common/options/key_names.hpp"

namespace tunnel {

std::string host_name()
{
    std::array<char, 256> text{};
    if (::gethostname(text.data(), text.size() - 1) != 0)
        text.front() = '\0';
    std::string name = plain_name_of(text.data());
    return name.empty() ? "origin" : name;
}

} // namespace tunnel
