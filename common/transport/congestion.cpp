#include "common/transport/congestion.hpp"

#include <array>
#include <atomic>
#include <cerrno>
#include <stdexcept>

#include <fmt/format.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "common/base/fd.hpp"

namespace tunnel {

namespace {

constexpr std::size_t longest_name = 16; // TCP_CA_NAME_MAX

bool set(int descriptor, std::string_view name)
{
    return ::setsockopt(descriptor, IPPROTO_TCP, TCP_CONGESTION, name.data(),
                        static_cast<socklen_t>(name.size())) == 0;
}

// cubic needs a privilege where the system does not list it as allowed; reno is for everybody. What
// was refused once is not asked for again for each visitor.
void set_unpaced(int descriptor)
{
    static std::atomic<bool> is_refused = false;
    if (!is_refused && set(descriptor, "cubic"))
        return;
    is_refused = is_refused || errno == EPERM || errno == ENOENT;
    set(descriptor, "reno");
}

Fd any_tcp_socket()
{
    Fd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!socket.is_open())
        socket = Fd(::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0));
    return socket;
}

const std::string& choice_of_the_system()
{
    static const std::string name = congestion_of(any_tcp_socket().get());
    return name;
}

} // namespace

std::optional<Congestion> Congestion::parse(const std::string& text)
{
    if (text == "off")
        return off();
    if (text == "auto")
        return automatic();
    if (text.empty() || text.size() >= longest_name || !set(any_tcp_socket().get(), text))
        return std::nullopt;
    return Congestion(Kind::named, text);
}

void Congestion::must_be_allowed() const
{
    if (kind_ == Kind::named && !set(any_tcp_socket().get(), name_))
        throw std::runtime_error(
            fmt::format("--congestion {} needs CAP_NET_ADMIN, which is dropped: name it in sysctl "
                        "net.ipv4.tcp_allowed_congestion_control, or choose --sandbox off",
                        name_));
}

void Congestion::prepare_listener(int descriptor) const
{
    if (kind_ == Kind::named)
        set(descriptor, name_);
    else if (kind_ == Kind::automatic)
        set_unpaced(descriptor);
}

void Congestion::prepare_accepted(int descriptor, const tcp::endpoint& peer, Hop hop) const
{
    if (kind_ != Kind::automatic || is_loopback(peer))
        return; // it has what its listener has
    if (hop == Hop::edge || !set(descriptor, "bbr"))
        set(descriptor, choice_of_the_system());
}

void Congestion::prepare_connect(int descriptor, const tcp::endpoint& peer, Hop hop) const
{
    if (kind_ == Kind::named)
        set(descriptor, name_);
    else if (kind_ == Kind::automatic && is_loopback(peer))
        set_unpaced(descriptor);
    else if (kind_ == Kind::automatic && hop == Hop::between)
        set(descriptor, "bbr");
}

bool is_loopback(const tcp::endpoint& peer)
{
    const asio::ip::address address = peer.address();
    if (address.is_v6() && address.to_v6().is_v4_mapped())
        return asio::ip::make_address_v4(asio::ip::v4_mapped, address.to_v6()).is_loopback();
    return address.is_loopback();
}

std::string congestion_of(int descriptor)
{
    std::array<char, longest_name> name{};
    auto size = static_cast<socklen_t>(name.size());
    if (::getsockopt(descriptor, IPPROTO_TCP, TCP_CONGESTION, name.data(), &size) != 0)
        return {};
    return name.data();
}

} // namespace tunnel
