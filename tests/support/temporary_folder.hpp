// A folder that is gone after the test, with all that is in it.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>

namespace tunnel::test {

class TemporaryFolder {
public:
    TemporaryFolder()
    {
        if (::mkdtemp(path_.data()) == nullptr)
            throw std::runtime_error("no temporary folder");
    }

    TemporaryFolder(const TemporaryFolder&) = delete;
    TemporaryFolder& operator=(const TemporaryFolder&) = delete;

    ~TemporaryFolder()
    {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }

    const std::string& path() const { return path_; }

    std::string operator/(std::string_view name) const { return path_ + "/" + std::string(name); }

    // In the place of what was in it; makes the folders above it.
    void write(std::string_view name, std::string_view text) const
    {
        std::filesystem::create_directories(std::filesystem::path(*this / name).parent_path());
        std::ofstream(*this / name) << text;
    }

    // The same with what is in another file.
    void copy(const std::string& from, std::string_view name) const
    {
        std::filesystem::create_directories(std::filesystem::path(*this / name).parent_path());
        std::filesystem::copy_file(from, *this / name,
                                   std::filesystem::copy_options::overwrite_existing);
    }

private:
    std::string path_ = "/tmp/tunnel-test-XXXXXX";
};

} // namespace tunnel::test
