// Reading the files again while the program serves.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <utility>

#include "common/base/asio.hpp"
#include "common/base/task_group.hpp"
#include "common/files/file_reader.hpp"
#include "common/files/file_watch.hpp"
#include "common/options/reload.hpp"

namespace tunnel {

// Lets the file reader read, which may take long, and then changes the program at once.
class Reloader {
public:
    // Reads the options out of files() and changes the program. False if anything is wrong, which
    // was logged and is put into `report`, and nothing has changed.
    using Apply = std::function<bool(ReloadReport& report)>;

    Reloader(asio::io_context& io, FileReader& reader, Apply apply);

    // Calls this at the begin and at the end of each reload.
    using Tell = std::function<void(bool under_way)>;

    void tell(Tell tell) { tell_ = std::move(tell); }

    // `report` must live until it is done.
    awaitable<bool> reload(ReloadReport& report);

    // The same in the background; once more if it is under way already.
    void reload_soon();

    // Reloads from now on when the files are not as `first`, fingerprint(), tells.
    void watch(std::string first);

    // Run the io_context dry afterwards.
    void stop();

private:
    awaitable<void> reload_until_done();
    awaitable<void> look(std::function<void(FileWatch::Seen)> seen);

    asio::io_context& io_;
    FileReader& reader_;
    Apply apply_;
    Tell tell_ = [](bool) {};
    bool under_way_ = false;
    bool again_ = false;
    std::optional<FileWatch> watch_;
    TaskGroup tasks_;
};

// At the start: which files a reload cannot read again.
void warn_of_what_is_read_once();

} // namespace tunnel
