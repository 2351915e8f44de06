#include "common/management/metrics.hpp"

#include <limits>

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

namespace tunnel {

namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

ClientMetric labelled(const Labels& labels)
{
    ClientMetric metric;
    for (const auto& [name, value] : labels)
        metric.label.push_back({name, value});
    return metric;
}

} // namespace

struct Metrics::Families {
    std::vector<MetricFamily> all;
};

Metrics::Metrics() : families_(std::make_unique<Families>()) {}

Metrics::~Metrics() = default;

void Metrics::gauge(const std::string& name, const std::string& help,
                    const std::vector<Sample>& now)
{
    if (now.empty())
        return;
    MetricFamily family{name, help, MetricType::Gauge, {}};
    for (const Sample& sample : now) {
        family.metric.push_back(labelled(sample.labels));
        family.metric.back().gauge.value = sample.value;
    }
    families_->all.push_back(std::move(family));
}

void Metrics::counter(const std::string& name, const std::string& help,
                      const std::vector<Sample>& so_far)
{
    if (so_far.empty())
        return;
    MetricFamily family{name, help, MetricType::Counter, {}};
    for (const Sample& sample : so_far) {
        family.metric.push_back(labelled(sample.labels));
        family.metric.back().counter.value = sample.value;
    }
    families_->all.push_back(std::move(family));
}

void Metrics::histogram(const std::string& name, const std::string& help,
                        const Histogram& histogram)
{
    ClientMetric metric;
    std::uint64_t count = 0;
    const auto counts = histogram.counts();
    for (std::size_t i = 0; i < counts.size(); ++i) {
        count += counts[i];
        const double bound = i < Histogram::bounds.size() ? Histogram::bounds[i]
                                                          : std::numeric_limits<double>::infinity();
        metric.histogram.bucket.push_back({count, bound});
    }
    metric.histogram.sample_count = count;
    metric.histogram.sample_sum = histogram.sum();
    families_->all.push_back({name, help, MetricType::Histogram, {std::move(metric)}});
}

Response Metrics::response() const
{
    Response response;
    response.content_type = "text/plain; version=0.0.4; charset=utf-8";
    response.body = prometheus::TextSerializer().Serialize(families_->all);
    return response;
}

} // namespace tunnel
