// A webroot, in which a test puts ACME challenges down.
#pragma once

#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>
#include <string_view>

#include <stdlib.h>

namespace tunnel::test {

struct Challenges {
    Challenges()
    {
        std::string name = (std::filesystem::temp_directory_path() / "webroot-XXXXXX").string();
        if (::mkdtemp(name.data()) == nullptr)
            throw std::runtime_error("no temporary folder");
        root = name;
        folder = root / ".well-known" / "acme-challenge";
        std::filesystem::create_directories(folder);
    }

    Challenges(const Challenges&) = delete;
    Challenges& operator=(const Challenges&) = delete;

    ~Challenges() { std::filesystem::remove_all(root); }

    void put(const std::string& token, std::string_view content) const
    {
        std::ofstream(folder / token) << content;
    }

    std::filesystem::path root;
    std::filesystem::path folder;
};

} // namespace tunnel::test
