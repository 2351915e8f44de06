// The log's line about each request.
#pragma once

#include <cstdint>
#include <string_view>

#include "common/base/asio.hpp"
#include "common/base/code.hpp"

namespace tunnel {

// A request that has ended. The texts live until log_access() returns. Method, host and target are
// what the visitor sent.
struct AccessRecord {
    std::string_view method{};
    std::string_view host{};
    std::string_view target{};
    unsigned status = 0;              // 0: it got no answer
    std::uint64_t bytes = 0;          // of the answer, with its head
    Clock::duration took{0};          // from the end of its head to the end of the answer
    std::string_view service{};       // empty: none
    std::string_view visitor{};       // "192.0.2.1:50000"
    std::string_view user{};          // of a login in front; empty: none
    const Code* own_answer = nullptr; // not null: the remote proxy has answered itself
};

// Without the query, in which people put what is private.
std::string_view path_of(std::string_view target);

// Writes it at level info. Never left out: who wants this log wants every line.
void log_access(const AccessRecord& access);

} // namespace tunnel
