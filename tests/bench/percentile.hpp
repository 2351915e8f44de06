// Order statistics of measured times.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

namespace bench {

// The smallest sample that at least `percent` of all samples do not exceed (nearest rank): always a
// value that was really measured. 0 without samples. Reorders them.
inline double percentile(std::vector<double>& samples, double percent)
{
    if (samples.empty())
        return 0;
    const double size = static_cast<double>(samples.size());
    const auto rank =
        static_cast<std::size_t>(std::ceil(std::clamp(percent, 0.0, 100.0) / 100 * size));
    const auto nth =
        samples.begin() + static_cast<std::ptrdiff_t>(std::max<std::size_t>(rank, 1) - 1);
    std::nth_element(samples.begin(), nth, samples.end());
    return *nth;
}

} // namespace bench
