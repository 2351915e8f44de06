// Which congestion control the sockets get.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "common/base/asio.hpp"

namespace tunnel {

// Where a connection leads.
enum class Hop : std::uint8_t {
    edge,    // a visitor or the origin server
    between, // the other proxy
};

// A paced algorithm (BBR) holds a stream over loopback to a third of what it could be, and setting
// another one on an accepted socket does not end the pacing: it must be set on the listener, and
// before connect. The other way round works, so a listener gets one that does not pace, and an
// accepted socket from elsewhere is then given what its way needs.
class Congestion {
public:
    // Nothing is touched.
    static Congestion off() { return Congestion(Kind::off, {}); }

    // Over loopback one that does not pace; between the proxies BBR where the kernel has and allows
    // it, since it keeps its speed on lossy ways; else the system's choice.
    static Congestion automatic() { return Congestion(Kind::automatic, {}); }

    // "auto", "off", or a name that this system has and allows; nullopt: it does not.
    static std::optional<Congestion> parse(const std::string& text);

    bool is_named() const { return kind_ == Kind::named; }

    // Throws std::runtime_error if the name can no longer be chosen: parse() may still have had the
    // privilege for it.
    void must_be_allowed() const;

    void prepare_listener(int descriptor) const;
    void prepare_accepted(int descriptor, const tcp::endpoint& peer, Hop hop) const;
    void prepare_connect(int descriptor, const tcp::endpoint& peer, Hop hop) const;

private:
    enum class Kind : std::uint8_t { off, automatic, named };

    Congestion(Kind kind, std::string name) : kind_(kind), name_(std::move(name)) {}

    Kind kind_;
    std::string name_;
};

// Also of an IPv4 address in IPv6's form.
bool is_loopback(const tcp::endpoint& peer);

// The algorithm a socket has, empty if it is no TCP socket.
std::string congestion_of(int descriptor);

} // namespace tunnel
