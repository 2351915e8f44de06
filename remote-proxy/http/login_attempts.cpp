#include "remote-proxy/http/login_attempts.hpp"

#include <algorithm>

namespace tunnel {

Clock::duration LoginAttempts::wait(const asio::ip::address& address, Clock::time_point now) const
{
    const Tried* const tried = recent_.find(subscriber_of(address));
    if (tried == nullptr)
        return Clock::duration(0);
    return std::max(tried->until - (at_once - 1) * between - now, Clock::duration(0));
}

void LoginAttempts::count(const asio::ip::address& address, Clock::time_point now)
{
    Tried& tried = recent_.touch(subscriber_of(address));
    tried.until = std::max(tried.until, now) + between;
}

void LoginAttempts::take_back(const asio::ip::address& address)
{
    const Cidr from = subscriber_of(address);
    if (recent_.find(from) != nullptr) // it may have been forgotten
        recent_.touch(from).until -= between;
}

} // namespace tunnel
