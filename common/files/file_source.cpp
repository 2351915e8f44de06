#include "common/files/file_source.hpp"

#include <stdexcept>
#include <utility>

#include <fmt/format.h>
#include <sys/stat.h>

#include "common/files/file_system.hpp"

namespace tunnel {

namespace {

thread_local FileSource* source_in_force = nullptr;

} // namespace

bool FileStatus::is_folder() const
{
    return S_ISDIR(mode);
}

bool FileStatus::is_regular() const
{
    return S_ISREG(mode);
}

FileSource& files()
{
    return source_in_force != nullptr ? *source_in_force : file_system();
}

ReadFrom::ReadFrom(FileSource& source) : before_(std::exchange(source_in_force, &source)) {}

ReadFrom::~ReadFrom()
{
    source_in_force = before_;
}

void cannot_read(const std::string& path, const std::string& why)
{
    throw std::runtime_error(fmt::format("cannot read {}: {}", path, why));
}

void too_large(const std::string& path, std::size_t limit)
{
    cannot_read(path, fmt::format("it has more than {} bytes", limit));
}

} // namespace tunnel
