// A file that the log goes to, and that another program may move away.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <system_error>

#include <sys/types.h>

#include "common/base/fd.hpp"

namespace tunnel {

// Whatever becomes of the file, nobody waits for it and nothing ends: lines that it does not take
// are lost, which is told once.
class LogFile {
public:
    // What went wrong with `file`, in a word for each step; called once, until it is well again.
    using Tell = std::function<void(const char* what, const std::string& file,
                                    const std::error_code& error)>;

    // Opens the file for appending, or makes it: its owner may write it and its group read it.
    // Throws std::system_error that names it.
    LogFile(std::string path, Tell tell);

    int descriptor() const { return file_.get(); }

    // Opens the file of this name again, which is another one if the former was moved away. If that
    // cannot be done, lines go on to the former one. Not for a pipe or a terminal, which stay.
    void reopen();

    // The last write ended like this.
    void written(const std::error_code& error);

    // Where a file is made when it is opened again; empty: it never is.
    const std::filesystem::path& place() const { return place_; }

    // So that this user may open it again: only one that this process has made.
    void give_to(uid_t user, gid_t group) const;

private:
    const std::string path_;
    const Tell tell_;
    std::filesystem::path place_;
    Fd file_;
    bool is_made_ = false;
    bool told_of_opening_ = false;
    bool told_of_writing_ = false;
};

} // namespace tunnel
