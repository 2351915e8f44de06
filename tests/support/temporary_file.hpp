// A file that is gone after the test.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <string_view>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace tunnel::test {

class TemporaryFile {
public:
    explicit TemporaryFile(std::string_view text = {}, mode_t mode = S_IRUSR | S_IWUSR)
    {
        const int file = ::mkostemp(path_.data(), O_CLOEXEC);
        if (file < 0)
            throw std::runtime_error("no temporary file");
        ::close(file);
        write(text);
        ::chmod(path_.c_str(), mode);
    }

    TemporaryFile(const TemporaryFile&) = delete;
    TemporaryFile& operator=(const TemporaryFile&) = delete;

    ~TemporaryFile() { ::unlink(path_.c_str()); }

    // In the place of what was in it.
    void write(std::string_view text) const
    {
        std::FILE* const file = std::fopen(path_.c_str(), "w");
        if (file == nullptr)
            throw std::runtime_error("cannot write a temporary file");
        if (!text.empty()) // which may have no address
            std::fwrite(text.data(), 1, text.size(), file);
        std::fclose(file);
    }

    const std::string& path() const { return path_; }

private:
    std::string path_ = "/tmp/tunnel-test-XXXXXX";
};

} // namespace tunnel::test
