// What the process writes to stdout, stderr and the log while a function runs.
#pragma once

#include <array>
#include <cstdio>
#include <string>

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/base/fd.hpp"
#include "common/base/log.hpp"

namespace tunnel::test {

// Puts a file in memory in the place of a descriptor. Check nothing while it lives: a failed check
// would be reported into it.
class Captured {
public:
    explicit Captured(int descriptor)
        : descriptor_(descriptor),
          original_(::dup(descriptor)),
          file_(::memfd_create("captured", MFD_CLOEXEC))
    {
        std::fflush(nullptr);
        ::fcntl(file_.get(), F_SETFL, O_APPEND); // several threads may write at once
        ::dup2(file_.get(), descriptor_);
    }

    Captured(const Captured&) = delete;
    Captured& operator=(const Captured&) = delete;

    ~Captured()
    {
        std::fflush(nullptr);
        ::dup2(original_.get(), descriptor_);
    }

    std::string text() const
    {
        std::fflush(nullptr);
        std::string text;
        std::array<char, 4096> block;
        for (;;) {
            const ssize_t size =
                ::pread(file_.get(), block.data(), block.size(), static_cast<off_t>(text.size()));
            if (size <= 0)
                return text;
            text.append(block.data(), static_cast<std::size_t>(size));
        }
    }

private:
    int descriptor_;
    Fd original_;
    Fd file_;
};

// The lines, warnings and worse, that `function` writes to the log.
template <class Function>
std::string log_of(const Function& function)
{
    const Captured captured(STDERR_FILENO);
    log::configure(log::Level::warn, log::Format::text);
    function();
    log::configure(log::Level::error, log::Format::text); // as support/main.cpp has it
    return captured.text();
}

} // namespace tunnel::test
