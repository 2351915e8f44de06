#include "origin-proxy/link/local_opener.hpp"

#include <new>
#include <system_error>

#include "common/transport/dial.hpp"
#include "origin-proxy/link/server_channel.hpp"

namespace tunnel {

LocalOpener::LocalOpener(Visit visit, tcp::endpoint server, Congestion congestion,
                         ProxyProtocol header, Histogram& dials)
    : visit_(std::move(visit)),
      server_(std::move(server)),
      congestion_(std::move(congestion)),
      header_(header),
      dials_(dials)
{
}

Channel LocalOpener::open()
{
    try {
        std::error_code error;
        Fd socket = connect_at_once(server_, congestion_, Hop::edge, error);
        if (error == std::errc::connection_reset)
            broken_ = error;
        if (error)
            return {};
        dials_.observe(Clock::now() - visit_.began);
        return server_channel(std::move(socket), false, header_, visit_.announce);
    } catch (const std::system_error& error) {
        broken_ = error.code();
    } catch (const std::bad_alloc&) { // there may be more soon
    }
    return {};
}

} // namespace tunnel
