// Files with something in them that others must not read.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace tunnel {

// A text that is wiped when it is destroyed.
class PrivateText {
public:
    explicit PrivateText(std::string text) : text_(std::move(text)) {}

    PrivateText(PrivateText&& other) noexcept : text_(std::move(other.text_)) {}

    PrivateText& operator=(PrivateText&&) = delete;
    ~PrivateText();

    std::string_view view() const { return text_; }

private:
    std::string text_;
};

// The whole file. Throws std::runtime_error, which names the path, if it cannot be read or is
// larger than `limit` bytes.
PrivateText read_file(const std::string& path, std::size_t limit);

// Warns in the log, with the way out, if the file's mode lets others than its owner read it.
void warn_if_others_may_read(const std::string& path);

// Both.
PrivateText read_private_file(const std::string& path, std::size_t limit);

} // namespace tunnel
