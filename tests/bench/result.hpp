// What one run found.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <mutex>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace bench {

using Clock = std::chrono::steady_clock;

inline double seconds(Clock::duration duration)
{
    return std::chrono::duration<double>(duration).count();
}

inline double microseconds(Clock::duration duration)
{
    return std::chrono::duration<double, std::micro>(duration).count();
}

// What went wrong, and how often. A tunnel that fails is a result like any other, so nothing here
// ends the run; may be used by many threads.
class Errors {
public:
    void add(const std::string& what, std::uint64_t times = 1);
    std::uint64_t count() const;
    nlohmann::json json() const;

private:
    mutable std::mutex mutex_;
    std::map<std::string, std::uint64_t> counts_;
};

// Words for what a system call left in errno.
std::string last_error();

// Adds NAME_p50_us and NAME_p99_us.
void add_percentiles(nlohmann::json& result, const std::string& name, std::vector<double>& samples);

} // namespace bench
