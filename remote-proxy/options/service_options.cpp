#include "remote-proxy/options/service_options.hpp"

#include <algorithm>
#include <charconv>
#include <stdexcept>

#include <fmt/format.h>

#include "common/base/log.hpp"
#include "common/options/key_names.hpp"
#include "common/options/outside.hpp"
#include "common/transport/address_hint.hpp"

namespace tunnel {

namespace {

constexpr unsigned most_numbers = 1000;

// "[0]" to "[999]".
bool is_number_in_brackets(std::string_view text)
{
    if (text.size() < 3 || text.front() != '[' || text.back() != ']')
        return false;
    text = text.substr(1, text.size() - 2);
    unsigned number = 0;
    const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    return error == std::errc() && rest == text.data() + text.size() && number < most_numbers &&
           (text.front() != '0' || text.size() == 1);
}

std::string behind_the_sign(std::string_view address)
{
    const std::string hint = hint_for_address(address, AddressForms::tcp);
    return fmt::format("behind the = belongs {}{}{}", address_syntax, hint.empty() ? "" : "; ",
                       hint);
}

} // namespace

bool is_service_name(std::string_view name)
{
    if (const std::size_t bracket = name.find('['); bracket != std::string_view::npos) {
        if (!is_number_in_brackets(name.substr(bracket)))
            return false;
        name = name.substr(0, bracket);
    }
    return is_plain_name(name);
}

bool may_serve(const RemoteService& service, std::string_view credential)
{
    return service.origins.empty() ||
           std::ranges::find(service.origins, credential) != service.origins.end();
}

RemoteService parse_remote_service(std::string_view text)
{
    const std::size_t sign = text.find('=');
    const auto wrong = [text](std::string_view what) {
        throw std::invalid_argument(
            fmt::format("\"{}\" is not {}: {}", log::escape(text), remote_service_syntax, what));
    };
    if (sign == std::string_view::npos)
        wrong("there is no =");
    const std::string_view name = text.substr(0, sign);
    if (!is_service_name(name))
        wrong(plain_name_syntax);
    const std::string_view where = text.substr(sign + 1);
    RemoteService service{std::string(name), {}};
    if (where.find("://") != std::string_view::npos) {
        Outside outside = read_outside(where);
        service.names = std::move(outside.names);
        if (outside.addresses && outside.addresses->is_range)
            wrong("it has several ports, and a table of the configuration file makes a service for "
                  "each");
        if (outside.addresses)
            service.outside_address = outside.addresses->first;
        service.speaks_http = outside.is_http;
        return service;
    }
    const auto address = parse_address(where);
    if (!address)
        wrong(behind_the_sign(where));
    service.outside_address = *address;
    return service;
}

} // namespace tunnel
