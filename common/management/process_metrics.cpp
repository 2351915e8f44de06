#include "common/management/process_metrics.hpp"

#include <array>
#include <chrono>
#include <cstdlib>
#include <cstring>

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

namespace tunnel {

namespace {

double seconds_of(const timeval& time)
{
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

double seconds_since_1970()
{
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    return std::chrono::duration<double>(now).count();
}

} // namespace

ProcessMetrics::ProcessMetrics(std::string program, std::shared_ptr<const CertificatesInUse> loaded)
    : program_(std::move(program)),
      loaded_(std::move(loaded)),
      started_(seconds_since_1970()),
      memory_(::open("/proc/self/statm", O_RDONLY | O_CLOEXEC)),
      descriptors_(::opendir("/proc/self/fd"))
{
}

void ProcessMetrics::add_to(Metrics& metrics) const
{
    metrics.gauge("tunnel_build_info", "What runs here; the value is always 1.",
                  {Sample(1, {{"program", program_}, {"version", TUNNEL_VERSION}})});
    metrics.gauge("process_start_time_seconds", "When the process was started, since 1970.",
                  {Sample(started_)});
    rusage used{};
    ::getrusage(RUSAGE_SELF, &used);
    metrics.counter("process_cpu_seconds_total", "Processor time of all threads.",
                    {Sample(seconds_of(used.ru_utime) + seconds_of(used.ru_stime))});
    if (const auto bytes = resident_bytes())
        metrics.gauge("process_resident_memory_bytes", "Memory that is in use.", {Sample(*bytes)});
    if (const auto count = open_descriptors())
        metrics.gauge("process_open_fds", "Descriptors that are open.", {Sample(*count)});
    rlimit limit{};
    ::getrlimit(RLIMIT_NOFILE, &limit);
    metrics.gauge("process_max_fds", "Descriptors that may be open.", {Sample(limit.rlim_cur)});
    metrics.counter("tunnel_reloads_total",
                    "Times that the files were read again; after a failed one nothing has changed.",
                    {Sample(loaded_->reloads(), {{"result", "success"}}),
                     Sample(loaded_->failed_reloads(), {{"result", "failure"}})});
    std::vector<Sample> ends;
    for (const CertificateLife& each : loaded_->certificates())
        ends.emplace_back(each.until.time_since_epoch().count(), Labels{{"file", each.file}});
    metrics.gauge("tunnel_certificate_expiry_timestamp_seconds",
                  "When a certificate that this program shows stops being good, since 1970.", ends);
}

std::optional<std::size_t> ProcessMetrics::open_descriptors() const
{
    if (!descriptors_)
        return std::nullopt;

    struct stat folder {};

    // Since Linux 6.2 the folder's size is their number.
    if (::fstat(::dirfd(descriptors_.get()), &folder) == 0 && folder.st_size > 0)
        return static_cast<std::size_t>(folder.st_size);
    std::size_t count = 0;
    ::rewinddir(descriptors_.get());
    while (const dirent* const entry = ::readdir(descriptors_.get()))
        count += entry->d_name[0] == '.' ? 0 : 1;
    return count;
}

std::optional<std::size_t> ProcessMetrics::resident_bytes() const
{
    std::array<char, 128> text{};
    if (::pread(memory_.get(), text.data(), text.size() - 1, 0) <= 0)
        return std::nullopt;
    // The second number, in pages.
    const char* const second = std::strchr(text.data(), ' ');
    if (second == nullptr)
        return std::nullopt;
    return std::strtoull(second, nullptr, 10) * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

} // namespace tunnel
