// What a forward proxy has answered, whichever protocol it speaks.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace tunnel {

struct ProxyAnswer {
    enum class Is : std::uint8_t {
        incomplete, // more bytes of it are to come
        agreed,
        wants_login, // of SOCKS5, before anything is asked for: the login is to be sent
        login_refused,
        refused, // the connection is
        wrong,   // this is no such proxy
    };

    Is is = Is::incomplete;
    // Agreed or wants_login: how many bytes belong to it. What follows is for whoever comes next.
    std::size_t size = 0;
    std::string text{}; // for people: why it did not agree

    friend bool operator==(const ProxyAnswer&, const ProxyAnswer&) = default;
};

} // namespace tunnel
