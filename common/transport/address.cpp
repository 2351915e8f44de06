#include "common/transport/address.hpp"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <memory>

#include <fmt/format.h>

#include "common/base/error.hpp"
#include "common/base/lookups.hpp"

namespace tunnel {

namespace {

constexpr std::size_t longest_host = 253; // RFC 1035 2.3.4, without the dot at its end

bool is_host(std::string_view host)
{
    const std::size_t longest = longest_host + (host.ends_with('.') ? 1 : 0);
    return host.size() <= longest && std::ranges::all_of(host, [](unsigned char c) {
               return std::isalnum(c) != 0 || c == '.' || c == '-' || c == '_';
           });
}

// inet_pton stops at a NUL, and takes any text for the name of a zone: so look at the characters.
bool is_v6_literal(std::string_view host)
{
    const std::size_t percent = host.find('%');
    const std::string_view number = host.substr(0, percent);
    if (!std::ranges::all_of(
            number, [](unsigned char c) { return std::isxdigit(c) != 0 || c == ':' || c == '.'; }))
        return false;
    if (percent != std::string_view::npos &&
        (percent + 1 == host.size() || !is_host(host.substr(percent + 1))))
        return false;
    std::error_code error;
    asio::ip::make_address_v6(std::string(host), error);
    return !error;
}

std::optional<asio::ip::address> literal(const std::string& host)
{
    std::error_code error;
    const asio::ip::address address = asio::ip::make_address(host, error);
    return error ? std::nullopt : std::optional(address);
}

// One question to the system's resolver. Shared by the coroutine that asks and the handler that
// gets the answer, because either may end first.
struct Lookup {
    explicit Lookup(const asio::any_io_executor& executor) : resolver(executor), answered(executor)
    {
    }

    tcp::resolver resolver;
    Signal answered;
    bool finished = false;
    std::error_code error;
    std::vector<tcp::endpoint> endpoints;
};

// A question that nobody waits for any more must not keep later ones waiting behind it.
struct Abandon {
    Lookup& lookup;

    ~Abandon() { lookup.resolver.cancel(); }
};

// This machine, whatever name servers say of it: RFC 6761, section 6.3.
bool is_localhost(std::string_view host)
{
    constexpr std::string_view name = "localhost";
    if (host.ends_with('.'))
        host.remove_suffix(1);
    if (host.size() < name.size())
        return false;
    const auto same = [](unsigned char a, unsigned char b) { return std::tolower(a) == b; };
    const std::string_view last = host.substr(host.size() - name.size());
    return std::ranges::equal(last, name, same) &&
           (host.size() == name.size() || host[host.size() - name.size() - 1] == '.');
}

bool has_ipv6(asio::io_context& io)
{
    std::error_code error;
    tcp::socket probe(io);
    probe.open(tcp::v6(), error);
    return !error;
}

} // namespace

std::optional<Address> parse_address(std::string_view text)
{
    const std::size_t colon = text.rfind(':');
    if (colon == std::string_view::npos)
        return std::nullopt;
    std::string_view host = text.substr(0, colon);
    if (host.starts_with('[')) {
        if (!host.ends_with(']'))
            return std::nullopt;
        host = host.substr(1, host.size() - 2);
        if (!is_v6_literal(host))
            return std::nullopt;
    } else if (!is_host(host)) {
        return std::nullopt;
    }
    Address address{std::string(host), 0};
    const char* const end = text.data() + text.size();
    const auto [rest, error] = std::from_chars(text.data() + colon + 1, end, address.port);
    if (error != std::errc() || rest != end)
        return std::nullopt;
    return address;
}

std::string to_string(const Address& address)
{
    if (address.host.find(':') != std::string::npos)
        return fmt::format("[{}]:{}", address.host, address.port);
    return fmt::format("{}:{}", address.host, address.port);
}

tcp::endpoint endpoint_to_listen(asio::io_context& io, const Address& address)
{
    if (address.host.empty()) {
        const auto every = has_ipv6(io) ? asio::ip::address(asio::ip::address_v6::any())
                                        : asio::ip::address(asio::ip::address_v4::any());
        return {every, address.port};
    }
    if (const auto ip = literal(address.host))
        return {*ip, address.port};
    std::error_code error;
    tcp::resolver resolver(io);
    const auto found = resolver.resolve(address.host, std::to_string(address.port), error);
    if ((error || found.empty()) && is_localhost(address.host))
        return {asio::ip::address_v4::loopback(), address.port};
    if (error || found.empty())
        fail(error ? error : make_error_code(Errc::cannot_resolve),
             fmt::format("cannot listen on {}", to_string(address)));
    for (const auto& entry : found) {
        if (entry.endpoint().address().is_v4())
            return entry.endpoint();
    }
    return found.begin()->endpoint();
}

awaitable<std::vector<tcp::endpoint>> resolve(Address address, Clock::duration limit)
{
    std::vector<tcp::endpoint> endpoints;
    const std::string host = address.host.empty() ? "localhost" : address.host;
    if (const auto ip = literal(host)) {
        endpoints.emplace_back(*ip, address.port);
        co_return endpoints;
    }
    // A server there may listen at one family alone, and many a /etc/hosts knows only the other.
    if (is_localhost(host)) {
        endpoints.emplace_back(asio::ip::address_v4::loopback(), address.port);
        endpoints.emplace_back(asio::ip::address_v6::loopback(), address.port);
        co_return endpoints;
    }
    const auto deadline = Clock::now() + limit;
    const auto executor = co_await asio::this_coro::executor;
    const auto lookup = std::make_shared<Lookup>(executor);
    const Abandon abandon{*lookup};
    lookup_began();
    lookup->resolver.async_resolve(
        host, std::to_string(address.port),
        [lookup](std::error_code error, const tcp::resolver::results_type& results) {
            lookup_ended();
            lookup->finished = true;
            lookup->error = error;
            for (const auto& entry : results)
                lookup->endpoints.push_back(entry.endpoint());
            lookup->answered.notify();
        });
    while (!lookup->finished && Clock::now() < deadline)
        co_await lookup->answered.wait_until(deadline);
    std::error_code error = lookup->error;
    if (!lookup->finished)
        error = make_error_code(std::errc::timed_out);
    else if (!error && lookup->endpoints.empty())
        error = Errc::cannot_resolve;
    if (error)
        fail(error, fmt::format("look up {}", host));
    co_return std::move(lookup->endpoints);
}

} // namespace tunnel
