#include "common/base/log_file.hpp"

#include <utility>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/error.hpp"

namespace tunnel {

namespace {

// Not to wait for a reader, should it be a pipe. The sandbox lets these flags pass, and no others.
constexpr int opened_as = O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;

constexpr mode_t mode = S_IRUSR | S_IWUSR | S_IRGRP;

Fd open_to_append(const std::string& path)
{
    return Fd(::open(path.c_str(), opened_as, mode));
}

} // namespace

LogFile::LogFile(std::string path, Tell tell) : path_(std::move(path)), tell_(std::move(tell))
{
    is_made_ = ::access(path_.c_str(), F_OK) != 0;
    file_ = open_to_append(path_);
    if (!file_.is_open())
        fail(last_error(), fmt::format("cannot write the log file {}", path_));

    struct stat what {};

    std::error_code unknown; // then it is not opened again
    if (::fstat(file_.get(), &what) == 0 && S_ISREG(what.st_mode))
        place_ = std::filesystem::canonical(path_, unknown);
}

void LogFile::reopen()
{
    if (place_.empty())
        return;
    Fd again = open_to_append(path_);
    if (again.is_open()) {
        file_ = std::move(again);
        told_of_opening_ = false;
    } else if (const auto error = last_error(); !std::exchange(told_of_opening_, true)) {
        tell_("cannot open the log file again, so lines go on to where it was", path_, error);
    }
}

void LogFile::written(const std::error_code& error)
{
    if (!error)
        told_of_writing_ = false;
    else if (!std::exchange(told_of_writing_, true))
        tell_("cannot write the log file, so lines are lost", path_, error);
}

void LogFile::give_to(uid_t user, gid_t group) const
{
    if (is_made_ && ::fchown(file_.get(), user, group) != 0)
        fail(last_error(), fmt::format("cannot give the log file {} to the user of --user", path_));
}

} // namespace tunnel
