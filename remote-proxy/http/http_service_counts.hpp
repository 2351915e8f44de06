// What the requests to a service have come to.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "common/base/code.hpp"

namespace tunnel {

// Since the start; counters only grow. The relay's workers count too, so they are atomic, and read
// one by one.
class HttpServiceCounts {
public:
    static constexpr std::array<std::string_view, 5> classes{"1xx", "2xx", "3xx", "4xx", "5xx"};

    // For which the remote proxy answers itself; all others count as `failed`.
    static constexpr std::array own_codes{Code::unknown_host,
                                          Code::bad_request,
                                          Code::login_required,
                                          Code::too_many,
                                          Code::timeout,
                                          Code::no_origin_proxy,
                                          Code::origin_server_refused,
                                          Code::origin_broken,
                                          Code::bad_response,
                                          Code::no_room,
                                          Code::failed};

    // A request's head was read.
    void count_request() { add(requests_); }

    // The head of an answer was passed on, or one of ours sent. Other statuses are not counted.
    void count_response(unsigned status);

    // One of ours; count_response() too.
    void count_own(Code code);

    std::uint64_t requests() const { return requests_.load(std::memory_order_relaxed); }

    // By place in `classes`.
    std::uint64_t responses(std::size_t status_class) const
    {
        return by_class_[status_class].load(std::memory_order_relaxed);
    }

    // By place in `own_codes`.
    std::uint64_t own(std::size_t code) const
    {
        return by_code_[code].load(std::memory_order_relaxed);
    }

private:
    using Count = std::atomic<std::uint64_t>;

    static void add(Count& count) { count.fetch_add(1, std::memory_order_relaxed); }

    Count requests_ = 0;
    std::array<Count, classes.size()> by_class_{};
    std::array<Count, own_codes.size()> by_code_{};
};

} // namespace tunnel
