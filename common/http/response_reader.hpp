// Takes one answer of a management interface out of the bytes of a connection, by Boost.Beast's
// parser.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace tunnel {

// What was answered to a request.
struct Answer {
    unsigned status = 0;
    std::string body{};
    std::string kept{}; // what the header Tunnel-Kept says
};

// No sockets and no clock. An answer has a Content-Length, as a management interface sends it: so
// one that was cut short is no answer.
class ResponseReader {
public:
    enum class Progress : std::uint8_t { unfinished, whole, wrong };

    // A longer body is wrong.
    explicit ResponseReader(std::size_t longest_body);
    ResponseReader(ResponseReader&&) noexcept;
    ~ResponseReader();

    // What comes after a whole answer is not looked at.
    Progress put(std::string_view bytes);

    Progress progress() const { return progress_; }

    // In whole.
    const Answer& answer() const { return answer_; }

    // In wrong: why.
    const std::string& problem() const { return problem_; }

private:
    struct Parser;

    Progress read();
    bool read_head();
    Progress fail(std::string problem);
    std::string objection() const;

    std::unique_ptr<Parser> parser_;
    std::string pending_; // came, and is not understood yet
    Progress progress_ = Progress::unfinished;
    bool has_head_ = false;
    Answer answer_;
    std::string problem_;
};

} // namespace tunnel
