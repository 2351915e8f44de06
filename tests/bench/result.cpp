#include "tests/bench/result.hpp"

#include <cerrno>
#include <system_error>

#include "tests/bench/percentile.hpp"

namespace bench {

void Errors::add(const std::string& what, std::uint64_t times)
{
    const std::lock_guard lock(mutex_);
    counts_[what] += times;
}

std::uint64_t Errors::count() const
{
    const std::lock_guard lock(mutex_);
    std::uint64_t sum = 0;
    for (const auto& [what, times] : counts_)
        sum += times;
    return sum;
}

nlohmann::json Errors::json() const
{
    const std::lock_guard lock(mutex_);
    return counts_.empty() ? nlohmann::json::object() : nlohmann::json(counts_);
}

std::string last_error()
{
    if (errno == EAGAIN || errno == EINPROGRESS) // a blocking socket's own time limit
        return "no answer in time";
    return std::generic_category().message(errno);
}

void add_percentiles(nlohmann::json& result, const std::string& name, std::vector<double>& samples)
{
    result[name + "_p50_us"] = percentile(samples, 50);
    result[name + "_p99_us"] = percentile(samples, 99);
}

} // namespace bench
