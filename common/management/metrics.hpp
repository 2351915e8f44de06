// Metrics in the text format of Prometheus.
#pragma once

#include <concepts>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "common/http/response.hpp"
#include "common/management/histogram.hpp"

namespace tunnel {

// Labels' names and values. A value may be any text.
using Labels = std::vector<std::pair<std::string, std::string>>;

struct Sample {
    double value;
    Labels labels{};

    template <class Number>
    requires std::integral<Number> || std::floating_point<Number>

    explicit Sample(Number number, Labels of = {})
        : value(static_cast<double>(number)), labels(std::move(of))
    {
    }
};

// Collects metrics. A name ends in its base unit, and that of a counter in "_total". Each metric is
// added once, with no two samples of the same labels; without samples it is left out.
class Metrics {
public:
    Metrics();
    ~Metrics();

    void gauge(const std::string& name, const std::string& help, const std::vector<Sample>& now);
    void counter(const std::string& name, const std::string& help,
                 const std::vector<Sample>& so_far);
    void histogram(const std::string& name, const std::string& help, const Histogram& histogram);

    // As the answer to GET /metrics.
    Response response() const;

private:
    struct Families;

    std::unique_ptr<Families> families_;
};

} // namespace tunnel
