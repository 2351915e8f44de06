// The folder in which ACME clients put their challenges down.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include <asio/thread_pool.hpp>

#include "common/base/asio.hpp"
#include "common/base/fd.hpp"
#include "remote-proxy/fronts/acme_file.hpp"

namespace tunnel {

// Reads DIR/.well-known/acme-challenge/TOKEN and nothing else: a regular file of at most 4 KiB,
// behind no symbolic link. File systems may be slow, so a thread of its own reads, one file after
// the other. Only DIR itself must stay the same folder; what is below may come and go.
class AcmeWebroot {
public:
    // Opens the folder; throws std::system_error that names it. In the sandbox it must be readable.
    // `io` must outlive this.
    AcmeWebroot(asio::io_context& io, const std::filesystem::path& folder);

    // Waits for the file that is being read.
    ~AcmeWebroot();

    AcmeWebroot(const AcmeWebroot&) = delete;
    AcmeWebroot& operator=(const AcmeWebroot&) = delete;

    // The file as it is now, within a few seconds. The first call starts the thread. At most
    // most_waiting are looked for at once. This must outlive the coroutine.
    awaitable<AcmeFile> read(std::string token);

    static constexpr std::size_t most_waiting = 32;

private:
    asio::io_context& io_;
    Fd folder_;
    // Shared with answers that nobody waits for any more.
    std::shared_ptr<std::size_t> waiting_ = std::make_shared<std::size_t>(0);
    std::optional<asio::thread_pool> disk_;
};

} // namespace tunnel
