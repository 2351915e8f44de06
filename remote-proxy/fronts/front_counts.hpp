// What became of visitors who say first which service they want.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "common/base/code.hpp"

namespace tunnel {

// Of those who were not passed on, by reason. Counters only grow.
struct FrontCounts {
    static constexpr std::array reasons{
        Code::unknown_host,   Code::no_host,          Code::bad_hello,      Code::timeout,
        Code::no_certificate, Code::handshake_failed, Code::service_closed, Code::no_room};

    std::uint64_t& of(Code reason)
    {
        for (std::size_t i = 0; i < reasons.size(); ++i) {
            if (reasons[i] == reason)
                return by_reason[i];
        }
        return by_reason.back();
    }

    std::uint64_t passed_on = 0; // to their services
    std::array<std::uint64_t, reasons.size()> by_reason{};
};

} // namespace tunnel
