#include "common/options/http_options.hpp"

#include <stdexcept>

#include <fmt/format.h>

#include "common/http/host_header.hpp"
#include "common/http/logins.hpp"
#include "common/options/value_readers.hpp"
#include "common/security/file.hpp"
#include "common/transport/http_settings.hpp"

namespace tunnel {

OptionList describe(HttpOptions& options)
{
    const auto read_host_header = [&options](const std::string& text) {
        if (const std::string why = objection_to_host_header(text); !why.empty())
            throw std::invalid_argument(why);
        options.host_header = text;
    };
    const Trait file = Trait::reloads | Trait::common | Trait::never_empty;
    OptionList all;
    append(
        all, "HTTP",
        {{host_header_key, as_text("HOST[:PORT]", read_host_header),
          "What the origin server sees as Host, in the place of what the visitor said: for "
          "servers that answer to one name only",
          Trait::reloads | Trait::common},
         {basic_auth_file_key, as_file(options.basic_auth_file),
          "Visitors need a name and a password out of this file, which htpasswd -B writes", file}});
    return all;
}

std::vector<std::string> load_logins(const std::string& path)
{
    const PrivateText text = read_private_file(path, Logins::largest_text);
    std::vector<std::string> lines = Logins::parse(text.view(), path).lines();
    if (size_of_logins(lines) > largest_logins)
        throw std::runtime_error(fmt::format("{}: its logins are larger than {} KiB together", path,
                                             largest_logins / 1024));
    return lines;
}

std::string only_for_http(std::string_view key, std::string_view name)
{
    return fmt::format("{} of {} is for visitors who speak HTTP with the remote proxy: expected "
                       "outside = \"https://NAME\", \"http://NAME\" or \"http://:PORT\"",
                       key, name);
}

} // namespace tunnel
