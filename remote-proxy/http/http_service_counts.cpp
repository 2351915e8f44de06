#include "remote-proxy/http/http_service_counts.hpp"

namespace tunnel {

void HttpServiceCounts::count_response(unsigned status)
{
    if (status >= 100 && status < 600)
        add(by_class_[status / 100 - 1]);
}

void HttpServiceCounts::count_own(Code code)
{
    std::size_t place = own_codes.size() - 1;
    for (std::size_t i = 0; i < own_codes.size(); ++i) {
        if (own_codes[i] == code)
            place = i;
    }
    add(by_code_[place]);
}

} // namespace tunnel
