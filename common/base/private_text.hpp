// A text that others must not see.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

namespace tunnel {

// Wiped when it is destroyed.
class PrivateText {
public:
    explicit PrivateText(std::string text) : text_(std::move(text)) {}

    PrivateText(PrivateText&& other) noexcept : text_(std::move(other.text_)) {}

    PrivateText& operator=(PrivateText&& other) noexcept
    {
        std::swap(text_, other.text_);
        return *this;
    }

    ~PrivateText();

    std::string_view view() const { return text_; }

    char* data() { return text_.data(); }

    void shorten(std::size_t size) { text_.resize(size); }

    // Without its first bytes, in the same memory.
    void drop_front(std::size_t size) { text_.erase(0, size); }

private:
    std::string text_;
};

} // namespace tunnel
